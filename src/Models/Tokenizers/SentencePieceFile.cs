using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DfPO.Models.Tokenizers.SentencePiece;
using Google.Protobuf;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>A SentencePiece model file: read, checked, and handed to the library in a form that it takes.</summary>
internal static class SentencePieceFile
{
    /// <summary>Reads a model of one kind.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static ModelProto Read(string path, TrainerSpec.Types.ModelType kind)
    {
        ModelProto model;
        try
        {
            model = ModelProto.Parser.ParseFrom(TokenizerFiles.Read(path));
        }
        catch (InvalidProtocolBufferException e)
        {
            throw TokenizerFiles.Corrupt(path, $"it is not a SentencePiece model ({e.Message})", e);
        }
        Check(path, model, kind);
        return model;
    }

    /// <summary>Refuses a model of another kind, or one that cannot be used.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public static void Check(string path, ModelProto model, TrainerSpec.Types.ModelType kind)
    {
        if (model.TrainerSpec is null || model.NormalizerSpec is null || model.Pieces.Count == 0)
            throw TokenizerFiles.Corrupt(path, "it has no pieces, or does not say how they were trained");
        if (model.TrainerSpec.ModelType != kind)
            throw TokenizerFiles.Corrupt(path, $"it is a {model.TrainerSpec.ModelType} model where a {kind} model belongs");
        if (model.Pieces.FirstOrDefault(piece => string.IsNullOrEmpty(piece.Piece) || !float.IsFinite(piece.Score)) is { } bad)
            throw TokenizerFiles.Corrupt(path, $"piece '{bad.Piece}' has score {bad.Score}, or no text");
        RequireIn(path, model, "unk_id", model.TrainerSpec.UnkId);
        RequireIn(path, model, "eos_id", model.TrainerSpec.EosId);
    }

    /// <summary>The library's tokenizer over a model.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public static SentencePieceTokenizer Create(string path, ModelProto model)
    {
        // The library takes every special id for an index of a piece, and T5's bos id is -1: no beginning. None is asked for, so any will do.
        var mended = model.Clone();
        if (mended.TrainerSpec.BosId < 0)
            mended.TrainerSpec.BosId = mended.TrainerSpec.UnkId;
        try
        {
            return SentencePieceTokenizer.Create(new MemoryStream(mended.ToByteArray()), addBeginningOfSentence: false, addEndOfSentence: false);
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(path, $"its pieces do not make a tokenizer ({e.Message})", e);
        }
    }

    /// <summary>Whether a <c>precompiled_charsmap</c> maps an ASCII character to nothing.</summary>
    /// <remarks>The map is the size of a double array, little-endian, the array (Darts-clone: a trie whose values are offsets), and the replacements, each with a 0 behind it.</remarks>
    public static bool Drops(ReadOnlySpan<byte> map, byte character)
    {
        var size = map.Length < 4 ? 0 : BinaryPrimitives.ReadInt32LittleEndian(map);
        if (size < 4 || size > map.Length - 4)
            return false;
        var units = MemoryMarshal.Cast<byte, uint>(map[4..(4 + size)]);
        var texts = map[(4 + size)..];
        var node = Below(units[0]) ^ character;
        if (node >= units.Length || (units[(int)node] & 0x8000_00FF) != character || (units[(int)node] & 0x100) == 0)
            return false;
        var leaf = node ^ Below(units[(int)node]);
        return leaf < units.Length && (units[(int)leaf] & 0x7FFF_FFFF) is var at && at < texts.Length && texts[(int)at] == 0;

        static uint Below(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
    }

    public static void RequireIn(string path, ModelProto model, string field, int id)
    {
        if (id < 0 || id >= model.Pieces.Count)
            throw TokenizerFiles.Corrupt(path, $"its {field} is {id}, which is none of its {model.Pieces.Count} pieces");
    }
}
