using System.ClientModel;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using DfPO.Host.Generation;
using DfPO.Host.Serving;
using DfPO.Host.Tests.Commands;
using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;
using TorchSharp;
using ChatFinishReason = OpenAI.Chat.ChatFinishReason;
using ChatMessage = OpenAI.Chat.ChatMessage;

namespace DfPO.Host.Tests.Serving;

/// <summary><c>serve</c> with a tiny model, as clients see it.</summary>
public sealed class ServeTests : IAsyncLifetime
{
    private const string Key = "a-key-of-this-test";
    private readonly TestFolder _folder = new();
    private ServedModel _model = null!;
    private OpenAiServer _server = null!;
    private HttpClient _http = null!;

    public async ValueTask InitializeAsync()
    {
        torch.set_num_threads(1);
        TinyModels.Policy(_folder["tiny"], 1);
        TinyModels.Policy(_folder["reference"], 2);
        _folder.Write(
            "tiny/chat_template.jinja",
            "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
        );
        _model = ServedModel.Load(TrainedPolicy.Open(_folder["tiny"], null, _folder["reference"], false), "tiny", "cpu", "float32");
        _server = await OpenAiServer.Start(_model, new() { Key = Key, Threads = 1 }, default);
        _http = new HttpClient { BaseAddress = new Uri(_server.Url) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_official_client_gets_the_same_answer_whole_and_as_a_stream()
    {
        var client = Client(Key);
        Assert.Equal("tiny", Assert.Single((await client.GetOpenAIModelClient().GetModelsAsync()).Value).Id);
        var chat = client.GetChatClient("tiny");
        ChatMessage[] messages = [new SystemChatMessage("be brief"), new UserChatMessage("hi")];
#pragma warning disable OPENAI001
        ChatCompletionOptions Options() =>
            new()
            {
                MaxOutputTokenCount = 12,
                Seed = 7,
                Temperature = 0.8f,
                IncludeLogProbabilities = true,
                TopLogProbabilityCount = 3,
                EndUserId = "somebody",
            };
#pragma warning restore OPENAI001
        ChatCompletion whole = await chat.CompleteChatAsync(messages, Options());
        var text = string.Concat(whole.Content.Select(part => part.Text));
        Assert.True(text.Length > 0);
        Assert.Equal(ChatMessageRole.Assistant, whole.Role);
        Assert.InRange(whole.Usage.OutputTokenCount, 1, 12);
        Assert.Equal(whole.Usage.OutputTokenCount < 12 ? ChatFinishReason.Stop : whole.FinishReason, whole.FinishReason);
        Assert.All(whole.ContentTokenLogProbabilities, token => Assert.Equal(3, token.TopLogProbabilities.Count));
        Assert.InRange(whole.ContentTokenLogProbabilities.Count, whole.Usage.OutputTokenCount - 1, whole.Usage.OutputTokenCount);

        var (streamed, finish, tokens, logprobs) = (new StringBuilder(), (ChatFinishReason?)null, 0, 0);
        await foreach (var update in chat.CompleteChatStreamingAsync(messages, Options()))
        {
            streamed.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            finish ??= update.FinishReason;
            tokens += update.Usage?.OutputTokenCount ?? 0;
            logprobs += update.ContentTokenLogProbabilities.Count;
        }
        Assert.Equal(text, streamed.ToString());
        Assert.Equal((whole.FinishReason, whole.Usage.OutputTokenCount), (finish!.Value, tokens));
        Assert.Equal(whole.ContentTokenLogProbabilities.Count, logprobs);
    }

    [Fact]
    public async Task Microsofts_chat_client_works_on_it()
    {
        using var chat = Client(Key).GetChatClient("tiny").AsIChatClient();
        var options = new ChatOptions { MaxOutputTokens = 9, Seed = 5 };
        var whole = await chat.GetResponseAsync("hello there", options);
        var streamed = new StringBuilder();
        await foreach (var update in chat.GetStreamingResponseAsync("hello there", options))
            streamed.Append(update.Text);
        Assert.True(whole.Text.Length > 0);
        Assert.Equal(whole.Text, streamed.ToString());
        Assert.InRange(whole.Usage!.OutputTokenCount!.Value, 1, 9);
    }

    [Fact]
    public async Task Many_at_once_get_what_each_gets_alone_under_either_policy()
    {
        var prompts = Enumerable.Range(0, 24).Select(i => $"the film {new string('a', i % 5)} was").ToArray();
        var answers = await Task.WhenAll(
            prompts.Select(
                async (prompt, i) =>
                    await Post(
                        "completions",
                        new()
                        {
                            ["model"] = "tiny",
                            ["prompt"] = prompt,
                            ["max_tokens"] = 10 + (i % 3),
                            ["seed"] = i,
                            ["policy"] = i % 2 == 0 ? "pi_theta" : "pi-",
                            ["tolerance"] = 0.2,
                        }
                    )
            )
        );
        using var alone = TextGenerator.Load(_folder["tiny"], _folder["reference"], "cpu", "float32");
        foreach (var (i, answer) in answers.Index())
        {
            var options = new GenerationOptions
            {
                MaxNewTokens = 10 + (i % 3),
                Policy = i % 2 == 0 ? DecodingPolicy.Policy : DecodingPolicy.Negative,
                Tolerance = 0.2f,
            };
            var expected = alone.Generate([new Prompt("p", prompts[i])], options, (ulong)i, 1, null, default).Single();
            Assert.Equal(expected.Text, (string?)answer["choices"]![0]!["text"]);
            Assert.Equal(expected.Sequence.Tokens.Length, (int)answer["usage"]!["completion_tokens"]!);
            Assert.Equal(expected.Sequence.Finished ? "stop" : "length", (string?)answer["choices"]![0]!["finish_reason"]);
        }
        Assert.True(answers.Select(answer => (string?)answer["choices"]![0]!["text"]).Distinct().Count() > 12);
    }

    [Fact]
    public async Task Choices_stops_greedy_texts_and_log_probabilities()
    {
        var body = new JsonObject
        {
            ["model"] = "tiny",
            ["prompt"] = new JsonArray("the", "a film"),
            ["n"] = 2,
            ["max_tokens"] = 12,
            ["seed"] = 3,
            ["logprobs"] = 2,
        };
        var answer = await Post("completions", body);
        var choices = answer["choices"]!.AsArray();
        Assert.Equal([0, 1, 2, 3], choices.Select(choice => (int)choice!["index"]!));
        Assert.All(choices.Select(choice => choice!["logprobs"]!), logprobs =>
            Assert.Equal(logprobs["tokens"]!.AsArray().Count, logprobs["text_offset"]!.AsArray().Count)
        );
        var text = (string)choices[0]!["text"]!;
        Assert.True(text.Length > 4, text);

        var stop = text.Substring(3, 2);
        body["stop"] = new JsonArray(stop, "never to be seen");
        var stopped = (await Post("completions", body))["choices"]![0]!;
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], (string?)stopped["text"]);
        Assert.Equal("stop", (string?)stopped["finish_reason"]);

        JsonObject Greedy(int seed) =>
            new()
            {
                ["model"] = "tiny",
                ["prompt"] = new JsonArray(5, 6, 7),
                ["temperature"] = 0,
                ["seed"] = seed,
            };
        Assert.Equal(
            (string?)(await Post("completions", Greedy(1)))["choices"]![0]!["text"],
            (string?)(await Post("completions", Greedy(2)))["choices"]![0]!["text"]
        );
    }

    [Theory]
    [InlineData("""{"model": "tiny"}""", 400, "messages")]
    [InlineData("""{"model": "other", "messages": [{"role": "user", "content": "a"}]}""", 404, "model")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}]}""", 400, "model")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "temprature": 1}""", 400, "temprature")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "temperature": "1"}""", 400, "temperature")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "temperature": 3}""", 400, "temperature")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "n": 0}""", 400, "n")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "n": 1.5}""", 400, "n")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]}""", 400, "tools")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "presence_penalty": 0.5}""", 400, "presence_penalty")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}""", 400, "top_logprobs")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "stop": ["a", ""]}""", 400, "stop")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "policy": "pi"}""", 400, "policy")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "stream_options": {}}""", 400, "stream_options")]
    [InlineData("""{"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}""", 400, "messages[0].content")]
    [InlineData("""{"model": "tiny", "messages": [{"content": "a"}]}""", 400, "messages[0]")]
    [InlineData("""[1]""", 400, null)]
    [InlineData("""{"model": """, 400, null)]
    public async Task A_wrong_request_is_answered_as_openai_does(string body, int status, string? param)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await _http.PostAsync("/v1/chat/completions", content);
        var error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
        Assert.Equal((status, param, "invalid_request_error"), ((int)response.StatusCode, (string?)error["param"], (string?)error["type"]));
    }

    [Fact]
    public async Task Harmless_fields_pass_and_what_does_not_fit_is_told()
    {
        var answer = await Post(
            "chat/completions",
            new()
            {
                ["model"] = "tiny",
                ["messages"] = new JsonArray(
                    new JsonObject { ["role"] = "developer", ["content"] = "x" },
                    new JsonObject
                    {
                        ["role"] = "user",
                        ["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = "hi" }),
                        ["name"] = "me",
                    }
                ),
                ["max_tokens"] = 3,
                ["user"] = "u",
                ["presence_penalty"] = 0,
                ["logit_bias"] = new JsonObject(),
                ["tools"] = new JsonArray(),
                ["response_format"] = new JsonObject { ["type"] = "text" },
                ["stop"] = null,
            }
        );
        Assert.Equal("assistant", (string?)answer["choices"]![0]!["message"]!["role"]);
        var (status, error) = await Refused(
            "completions",
            new() { ["model"] = "tiny", ["prompt"] = new string('x', 200), ["max_tokens"] = 4 }
        );
        Assert.Equal((400, "context_length_exceeded"), (status, (string?)error["code"]));
    }

    [Fact]
    public async Task Only_who_has_the_key_is_answered_and_nobody_by_a_form()
    {
        var wrong = await Assert.ThrowsAsync<ClientResultException>(() => Client("another").GetChatClient("tiny").CompleteChatAsync("hi"));
        Assert.Equal(401, wrong.Status);
        using var form = new StringContent("{}", Encoding.UTF8, "text/plain");
        using var refused = await _http.PostAsync("/v1/completions", form);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, refused.StatusCode);
        using var lost = await _http.GetAsync("/v1/else");
        Assert.Equal(HttpStatusCode.NotFound, lost.StatusCode);
        var open = await Assert.ThrowsAsync<DfpoException>(() => OpenAiServer.Start(_model, new() { Address = IPAddress.Any }, default));
        Assert.Equal("serve/key", open.Code);
    }

    [Fact]
    public async Task A_full_queue_says_so()
    {
        await using var small = await OpenAiServer.Start(_model, new() { Queue = 2, Concurrency = 1, Threads = 1 }, default);
        using var http = new HttpClient { BaseAddress = new Uri(small.Url) };
        using var content = new StringContent("""{"model": "tiny", "prompt": "a", "n": 3}""", Encoding.UTF8, "application/json");
        using var response = await http.PostAsync("/v1/completions", content);
        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
    }

    [Fact]
    public async Task Work_for_a_client_that_has_gone_stops()
    {
        const int longest = 100_000;
        var config = TinyModels.Config with { NPositions = longest + 8, NEmbd = 4, NLayer = 1, EosTokenId = null };
        using (var model = new Gpt2LMHeadModel(config))
        {
            model.Initialise(1);
            PretrainedModels.Save(_folder["long"], model, torch.ScalarType.Float32);
        }
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder["long"], TinyModels.Config.VocabSize);
        using var served = ServedModel.Load(TrainedPolicy.Open(_folder["long"], null, null, false), "long", "cpu", "float32");
        await using var server = await OpenAiServer.Start(served, new() { Concurrency = 1, MaxTokens = longest, Threads = 1 }, default);
        using var http = new HttpClient { BaseAddress = new Uri(server.Url) };
        JsonObject Body(int tokens, bool stream) =>
            new()
            {
                ["model"] = "long",
                ["prompt"] = new JsonArray(5),
                ["max_tokens"] = tokens,
                ["stream"] = stream,
            };
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = Content(Body(longest, true)) })
        using (var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
            Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        // There is room for one only: this is answered because the other has left.
        using var content = Content(Body(2, false));
        using var next = await http.PostAsync("/v1/completions", content);
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
        Assert.InRange(server.Drawn, 2, longest - 1);
    }

    private OpenAIClient Client(string key) =>
        new(new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new Uri(_server.Url + "/v1") });

    private static StringContent Content(JsonObject body) => new(body.ToJsonString(), Encoding.UTF8, "application/json");

    private async Task<JsonObject> Post(string endpoint, JsonObject body)
    {
        using var content = Content(body);
        using var response = await _http.PostAsync($"/v1/{endpoint}", content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!.AsObject();
    }

    private async Task<(int Status, JsonNode Error)> Refused(string endpoint, JsonObject body)
    {
        using var content = Content(body);
        using var response = await _http.PostAsync($"/v1/{endpoint}", content);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!);
    }
}
