using System.Text.Json.Nodes;
using DfPO.Models.Chat;

namespace DfPO.Models.Tests.Chat;

/// <summary>Templates and messages for tests.</summary>
internal static class Chats
{
    public static ChatTemplate Template(string text) =>
        new(new Dictionary<string, string> { ["default"] = text }, new Dictionary<string, JsonNode?>(), "a test");

    public static ChatRequest Request(string content = "Hi") =>
        new(new JsonArray(new JsonObject { ["role"] = "user", ["content"] = content }));
}
