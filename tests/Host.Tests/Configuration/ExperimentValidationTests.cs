using System.Collections;
using DfPO.Host.Configuration;
using DfPO.Models;

namespace DfPO.Host.Tests.Configuration;

public sealed class ExperimentValidationTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_sound_configuration_passes() => Assert.Equal(16, Check("").Rollout.PromptsPerIteration);

    [Theory]
    [InlineData("iterations = 0", "config/range", "'iterations' is '0' but must be at least 1")]
    [InlineData("name = \"a/b\"", "config/range", "'name'")]
    [InlineData("model.dtype = float8", "config/range", "one of float32, bfloat16")]
    [InlineData("model.device = gpu", "config/range", "cpu, cuda or cuda:N")]
    [InlineData("rollout.devices = []", "config/range", "'rollout.devices' is '' but must be at least 1, each cpu, cuda or cuda:N")]
    [InlineData("rollout.devices = [cpu, \"cuda:x\"]", "config/range", "cuda:x")]
    [InlineData("rollout.unit-timeout = 0s", "config/range", "'rollout.unit-timeout'")]
    [InlineData("rollout.generation.top-p = 1.5", "config/range", ".top-p'")]
    [InlineData("rollout.generation.tolerance = 0.1", "config/conflict", "learner.dfpo.tolerance")]
    [InlineData("rollout.generation.policy = negative", "config/conflict", "learner.dfpo.decode")]
    [InlineData("rollout.generation.mask-rule = kl-centred", "config/conflict", "learner.dfpo.mask-rule")]
    [InlineData("name = \"\"", "config/range", "'name' is ''")]
    [InlineData("name = \"a\\nb\"", "config/range", "'name'")]
    [InlineData("model.device = \"\"", "config/range", "'model.device' is ''")]
    [InlineData("model.lora.target-modules = [\"\"]", "config/range", "'model.lora.target-modules'")]
    [InlineData("task.reward-label = \"\"", "config/range", "'task.reward-label' is '' but must be not empty")]
    [InlineData("learner.gamma = 0", "config/range", "'learner.gamma' is '0' but must be greater than 0 and at most 1")]
    [InlineData("learner.lambda = 1.01", "config/range", "'learner.lambda'")]
    [InlineData("learner.learning-rate = 0", "config/range", "'learner.learning-rate'")]
    [InlineData("evaluation.decoding.tolerance = -0.1", "config/range", "'evaluation.decoding.tolerance'")]
    [InlineData("evaluation.equivalence-margin = 0", "config/range", "'evaluation.equivalence-margin'")]
    [InlineData("learner.dfpo.tolerance = -0.1", "config/range", "'learner.dfpo.tolerance'")]
    [InlineData("async.max-staleness = -1", "config/range", "'async.max-staleness' is '-1' but must be at least 0")]
    [InlineData("evaluation.every = 0", "config/range", "'evaluation.every'")]
    [InlineData("checkpoint.every = 0", "config/range", "'checkpoint.every'")]
    [InlineData("rollout.unit-size = 5", "config/batch", "set one of 1, 2, 4, 8, 16")]
    [InlineData("learner.minibatch-size = 32", "config/batch", "16 sequences of an iteration (16 prompts): set one of 1, 2, 4, 8, 16")]
    [InlineData(
        "learner { preset = dfpo-iclr, minibatch-size = 24 }",
        "config/batch",
        "32 sequences of an iteration (16 prompts x 2 masked policies)"
    )]
    [InlineData(
        "learner.preset = grpo, rollout.unit-size = 12",
        "config/batch",
        "not a multiple of the 8 continuations of a prompt, which the objective compares and a unit never parts: set one of 8, 16, 32, 64, 128"
    )]
    [InlineData(
        "learner.preset = dfpo-budget, rollout.unit-size = 12",
        "config/batch",
        "not a multiple of the 8 continuations of a prompt"
    )]
    [InlineData(
        "learner { preset = dfpo-iclr, advantages = group, samples-per-prompt = 2, minibatch-size = 24 }",
        "config/batch",
        "64 sequences of an iteration (16 prompts x 2 masked policies x 2 continuations)"
    )]
    [InlineData("learner { preset = grpo, advantages = gae }", "config/range", "'advantages' must be default")]
    [InlineData("learner { preset = dfpo-iclr, dfpo.mask-rule = budget }", "config/range", "'dfpo.behaviour' must be policy")]
    [InlineData(
        "learner.preset = rloo, rollout.unit-size = 12",
        "config/batch",
        "does not divide the 64 continuations of an iteration (16 prompts x 4 continuations): set one of 4, 8, 16, 32, 64"
    )]
    [InlineData(
        "learner { preset = rloo, minibatch-size = 24 }",
        "config/batch",
        "64 sequences of an iteration (16 prompts x 4 continuations)"
    )]
    [InlineData("learner { preset = dpo, dpo.pairs = offline }", "config/path", "'task.preferences' is not set")]
    [InlineData("learner.preset = supervised, async.max-staleness = 1", "config/conflict", "rolls nothing out")]
    [InlineData("learner.grpo.samples-per-prompt = 1", "config/range", "'learner.grpo.samples-per-prompt' is '1' but must be at least 2")]
    [InlineData("model.policy = \"\"", "config/path", "'model.policy' is not set")]
    [InlineData("task.reward-model = nowhere", "config/path", "'task.reward-model'")]
    [InlineData("task.test-prompts = nowhere.jsonl", "config/path", "'task.test-prompts'")]
    public void A_mistake_is_told_with_key_and_remedy(string text, string code, string message)
    {
        var error = Assert.Throws<DfpoException>(() => Check(text));
        Assert.Equal(code, error.Code);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("async.max-staleness = 1", 1, 1)]
    [InlineData("async.max-staleness = 1, rollout.threads = 2", 0, 2)]
    [InlineData("async.max-staleness = 1, model.learner-threads = 3, rollout { threads = 2, reward-workers = 0 }", 0, 3)]
    [InlineData("rollout.threads = 2, model.learner-threads = 3", 1, 3)]
    public void Beside_the_learner_its_process_uses_the_same_number_of_torch_threads(string text, int localWorkers, int expected)
    {
        var config = Check(text);
        ExperimentValidation.Threads(config, localWorkers);
        Assert.Equal(expected, config.TorchThreadsOfLearner());
    }

    [Theory]
    [InlineData("async.max-staleness = 1, rollout.threads = 2", 1, "'rollout.threads' is 2")]
    [InlineData("async.max-staleness = 1, rollout { threads = 2, reward-workers = 0 }", 1, "'rollout.threads' is 2")]
    [InlineData("async.max-staleness = 1, model.learner-threads = 2", 1, "'model.learner-threads' is 2")]
    [InlineData("async.max-staleness = 1, rollout.threads = 2, model.learner-threads = 3", 0, "must be 'rollout.threads', 2")]
    public void Other_numbers_of_torch_threads_beside_the_learner_are_told(string text, int localWorkers, string message)
    {
        var error = Assert.Throws<DfpoException>(() => ExperimentValidation.Threads(Check(text), localWorkers));
        Assert.Equal("config/threads", error.Code);
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Masked_behaviour_doubles_the_sequences_that_minibatches_divide() =>
        Assert.Equal(2, BatchArithmetic.Of(Check("learner { preset = dfpo-iclr, minibatch-size = 16 }")).Minibatches);

    [Theory]
    [InlineData("learner.preset = ppo", 16, 1, 5)]
    [InlineData("learner.preset = grpo", 128, 8, 8)]
    [InlineData("learner.preset = dfpo-budget", 128, 8, 16)]
    [InlineData("learner { preset = dfpo-budget, samples-per-prompt = 4 }", 64, 4, 8)]
    [InlineData("learner { preset = dfpo-iclr, advantages = rloo }", 256, 16, 80)]
    [InlineData("learner { preset = trpo, advantages = reinforce }", 16, 1, 0)]
    [InlineData("learner { preset = a2c, minibatch-size = 7 }", 16, 1, 1)]
    [InlineData("learner.preset = trpo", 16, 1, 10)]
    [InlineData("learner.preset = dpo", 64, 4, 2)]
    [InlineData("learner.preset = supervised, rollout { prompts-per-iteration = 48, unit-size = 32 }", 48, 0, 3)]
    public void Batches_follow_from_what_the_objective_asks_for(string text, int sequences, int units, int steps)
    {
        var batch = BatchArithmetic.Of(Check(text));
        Assert.Equal((sequences, units, steps), (batch.Sequences, batch.Units, batch.StepsPerIteration));
    }

    [Theory]
    [InlineData(10, 5, 3)]
    [InlineData(11, 5, 4)]
    [InlineData(1, 5, 2)]
    public void Validations_include_the_first_and_the_last_weights(int iterations, int every, int expected) =>
        Assert.Equal(expected, BatchArithmetic.Of(Check($"iterations = {iterations}, evaluation.every = {every}")).Evaluations);

    private DfPO.Actors.Configuration.ExperimentConfig Check(string text)
    {
        var prompts = _folder.Write("prompts.jsonl", "{\"id\": \"a\", \"text\": \"b\"}");
        var basis = $"""
            model.policy = "{_folder.Path}"
            task.reward-model = "{_folder.Path}"
            task.train-prompts = "{prompts}"
            task.validation-prompts = "{prompts}"
            task.test-prompts = "{prompts}"
            """;
        _folder.Write("base.conf", basis);
        return ExperimentValidation.Checked(
            ExperimentFile.Bind(_folder.Write("main.conf", $"include \"base.conf\"\n{text}"), [], new Hashtable(), path => path)
        );
    }
}
