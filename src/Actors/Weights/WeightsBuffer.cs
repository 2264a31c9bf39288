using System.Buffers;
using System.ComponentModel;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DfPO.Actors.Weights;

/// <summary>
/// Room for weights outside the managed heap, of any size, which a path leads to. On Linux it is memory that belongs to the process alone
/// and goes with it, however it ends; elsewhere it is a file that is deleted when it is closed.
/// </summary>
internal sealed unsafe partial class WeightsBuffer : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _pointer;

    /// <summary>Allocates; pages that nobody writes cost nothing.</summary>
    /// <param name="folder">Where the file lies when the system has no anonymous one.</param>
    /// <param name="capacity">Bytes, at least 1.</param>
    public WeightsBuffer(string folder, long capacity)
    {
        Capacity = capacity;
        if (OperatingSystem.IsLinux())
        {
            var descriptor = MemfdCreate("dfpo-weights", 1);
            if (descriptor < 0)
                throw new Win32Exception(Marshal.GetLastPInvokeError());
            _handle = new SafeFileHandle(descriptor, ownsHandle: true);
            Path = $"/proc/{Environment.ProcessId}/fd/{descriptor}";
            RandomAccess.SetLength(_handle, capacity);
        }
        else
        {
            Directory.CreateDirectory(folder);
            Path = System.IO.Path.Combine(folder, $"{Guid.NewGuid():N}.safetensors");
            _handle = File.OpenHandle(
                Path,
                FileMode.CreateNew,
                FileAccess.ReadWrite,
                FileShare.ReadWrite | FileShare.Delete,
                FileOptions.DeleteOnClose,
                capacity
            );
            RandomAccess.SetLength(_handle, capacity);
        }
        _file = MemoryMappedFile.CreateFromFile(
            _handle,
            null,
            capacity,
            MemoryMappedFileAccess.ReadWrite,
            HandleInheritability.None,
            leaveOpen: true
        );
        _view = _file.CreateViewAccessor(0, capacity, MemoryMappedFileAccess.ReadWrite);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pointer);
        _pointer += _view.PointerOffset;
    }

    /// <summary>Bytes that it has room for.</summary>
    public long Capacity { get; }

    /// <summary>Where to open it as a file, from this process.</summary>
    public string Path { get; }

    /// <summary>Bytes of it, valid until it is disposed.</summary>
    public Span<byte> Span(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, Capacity);
        return new Span<byte>(_pointer + offset, count);
    }

    /// <summary>As <see cref="Span"/>, for asynchronous reads and writes.</summary>
    public Memory<byte> Memory(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, Capacity);
        return new Window(_pointer + offset, count).Memory;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
        _handle.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemfdCreate(string name, uint flags);

    private sealed class Window(byte* pointer, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new(pointer, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(pointer + elementIndex);

        public override void Unpin() { }

        protected override void Dispose(bool disposing) { }
    }
}
