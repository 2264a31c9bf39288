using DfPO.Host.Studies;

namespace DfPO.Host.Tests.Studies;

public sealed class StudyPlanTests : IDisposable
{
    private const string Study = """
        name = demo
        tasks {
          a { experiment = a.conf, set { iterations = 4 } }
          b { experiment = b.conf, alone = true }
        }
        seeds = [1, 2]
        set { iterations = 3, rollout.unit-size = 8 }
        algorithms {
          dfpo {
            set { learner.preset = dfpo }
            sweep.grid { learner.dfpo.tolerance = [0, 0.4] }
          }
          ppo { set { learner.preset = ppo } }
        }
        """;

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_plan_has_a_trial_for_every_task_algorithm_point_and_seed_with_seeds_outermost()
    {
        var trials = Plan(Study).Trials;
        Assert.Equal(
            [
                "a.dfpo.tolerance-0.s1",
                "a.dfpo.tolerance-0.4.s1",
                "a.ppo.s1",
                "b.dfpo.tolerance-0.s1",
                "b.dfpo.tolerance-0.4.s1",
                "b.ppo.s1",
            ],
            trials.Take(6).Select(trial => trial.Name)
        );
        Assert.Equal(12, trials.Count);
        Assert.All(trials.Skip(6), trial => Assert.Equal(2UL, trial.Seed));
        Assert.Equal("a dfpo tolerance-0.4", trials[1].Group);
        Assert.Equal([false, true], new[] { trials[0].Alone, trials[3].Alone });
    }

    [Fact]
    public void Settings_are_laid_over_each_other_from_the_general_to_the_particular()
    {
        var trial = Plan(Study).Trials[1];
        Assert.Equal("a.conf", trial.Experiment);
        Assert.Equal(
            [
                "iterations=3",
                "rollout.unit-size=8",
                "iterations=4",
                "learner.preset=dfpo",
                "learner.dfpo.tolerance=0.4",
                "seed=1",
                "name=a.dfpo.tolerance-0.4.s1",
            ],
            trial.Settings.Select(setting => setting.ToString())
        );
    }

    [Fact]
    public void A_grid_and_a_list_multiply()
    {
        var plan = Plan(
            Study.Replace(
                "ppo { set { learner.preset = ppo } }",
                "ppo { sweep {\n grid { x.k = [1, 2], y.k = [3] }\n list {\n small { lr = 1, e = 2 }\n large { lr = 3 }\n } } }"
            )
        );
        var points = plan.Trials.Where(trial => trial is { Algorithm: "ppo", Task: "a", Seed: 1 }).ToArray();
        Assert.Equal(
            ["x.k-1.y.k-3.small", "x.k-1.y.k-3.large", "x.k-2.y.k-3.small", "x.k-2.y.k-3.large"],
            points.Select(trial => trial.Point)
        );
        Assert.Equal(["x.k=1", "y.k=3", "lr=1", "e=2"], points[0].Settings.Select(setting => setting.ToString()).Skip(3).Take(4));
    }

    [Fact]
    public void Random_points_are_in_their_ranges_and_the_same_each_time()
    {
        var text = Study.Replace(
            "ppo { set { learner.preset = ppo } }",
            "ppo { sweep.random { count = 40, seed = 7, keys { lr = \"log-uniform 1e-5 1e-3\", g = \"uniform 0.2 0.4\", c = [red, green] } } }"
        );
        var trials = Plan(text).Trials.Where(trial => trial is { Algorithm: "ppo", Task: "a", Seed: 1 }).ToArray();
        Assert.Equal(40, trials.Length);
        double Value(Trial trial, string key) => double.Parse(Text(trial, key), System.Globalization.CultureInfo.InvariantCulture);
        Assert.All(trials, trial => Assert.InRange(Value(trial, "lr"), 1e-5, 1e-3));
        Assert.All(trials, trial => Assert.InRange(Value(trial, "g"), 0.2, 0.4));
        Assert.Equal(["green", "red"], trials.Select(trial => Text(trial, "c")).Distinct().Order());
        // Half of a log-uniform draw is below the geometric mean; a uniform one would have 9 % there.
        Assert.InRange(trials.Count(trial => Value(trial, "lr") < 1e-4), 10, 30);
        Assert.Equal(40, trials.Select(trial => Text(trial, "lr")).Distinct().Count());
        Assert.Equal(
            trials.Select(trial => trial.Digest()),
            Plan(text).Trials.Where(trial => trial is { Algorithm: "ppo", Task: "a", Seed: 1 }).Select(trial => trial.Digest())
        );
        Assert.NotEqual(
            Text(trials[0], "lr"),
            Text(Plan(text.Replace("seed = 7", "seed = 8")).Trials.First(trial => trial.Name == trials[0].Name), "lr")
        );
    }

    [Theory]
    [InlineData("seeds = [1, 2]", "seeds = [1, 1]", "study/duplicate", "s1")]
    [InlineData("seeds = [1, 2]", "", "config/value", "seeds")]
    [InlineData("seeds = [1, 2]", "seeds = [one]", "config/value", "'one'")]
    [InlineData("seeds = [1, 2]", "seeds = [1], seedz = 2", "config/unknown-key", "'seeds'")]
    [InlineData("tolerance = [0, 0.4]", "tolerance = 0.4", "config/value", "algorithms.dfpo.sweep.grid.learner.dfpo.tolerance")]
    [InlineData("experiment = a.conf", "experimnt = a.conf", "config/unknown-key", "tasks.a.experiment")]
    [InlineData("alone = true", "alone = maybe", "config/value", "tasks.b.alone")]
    [InlineData("name = demo", "halving { metric = x, rounds = 2, keep = 1.5 }", "config/value", "halving.keep")]
    [InlineData(
        "name = demo",
        "sweep.random { count = 2, seed = 1, keys { lr = \"log-uniform 0 1\" } }",
        "config/value",
        "sweep.random.keys.lr"
    )]
    [InlineData("name = demo", "name = \"a/b\"", "config/value", "folder")]
    public void A_bad_study_is_one_clear_error(string text, string instead, string code, string word) =>
        Assert.Equal(code, DfpoAssert.CodeOf(() => Plan(Study.Replace(text, instead)), word));

    [Fact]
    public void The_study_of_the_documentation_is_one()
    {
        var text = File.ReadAllText(Repository.Path("docs/studies.md")).Split("```hocon")[1].Split("```")[0];
        var plan = Plan(text);
        Assert.Equal(3 * 2 * 2 * (3 + 8), plan.Trials.Count);
        Assert.Equal([8, 15], plan.Halving!.Rungs(30));
        Assert.Contains(plan.Trials, trial => trial is { Name: "large.dfpo.slow.tolerance-0.2.s3", Alone: true });
    }

    [Fact]
    public void The_bundled_studies_make_valid_trials()
    {
        foreach (var file in Directory.GetFiles(Repository.Path("hocon/studies")))
            foreach (var trial in StudyPlan.Of(StudyFile.Read(file)).Trials)
                DfPO.Host.Configuration.ExperimentFile.Load(
                    Repository.Path(trial.Experiment),
                    trial.Settings.Select(setting => setting.ToString())
                );
    }

    private static string Text(Trial trial, string key) => trial.Settings.Single(setting => setting.Key == key).Value;

    private StudyPlan Plan(string text) => StudyPlan.Of(StudyFile.Read(_folder.Write("study.conf", text)));
}
