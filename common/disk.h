// Disk is the file system below one directory: the only way to files in the chunk server and the metadata log, so that
// the simulation can put a disk under them that forgets, tears and fails. Calls block; run them on an executor meant for
// that. Paths are relative to the root, with '/' between names, and never climb out of it. Thread-safe; one File may be
// used by several threads at once except while it is closed.
//
// Durability: written bytes survive a power cut only after File::sync() returned success; a created, renamed or removed
// name only after sync_dir() on its directory did. A failed sync is final: the bytes may be lost although a second
// sync would succeed (the kernel forgets the error), so the caller must treat the whole disk as failed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"

namespace gabion {

enum class ReadMode {
  wait,         // read from the device if need be
  cached_only,  // Errc::would_block when the bytes are not in memory
};

inline constexpr std::size_t kDirectAlignment = 4096;

class File {
 public:
  virtual ~File() = default;
  // Bytes read; fewer than asked only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, MutableBytes into, ReadMode mode) = 0;
  // As read() that waits, but past the page cache where the file system can: cheaper for much that is not in the cache.
  // `offset` and the place and size of `into` must be multiples of kDirectAlignment.
  virtual Result<std::size_t> read_direct(std::uint64_t offset, MutableBytes into) {
    return read(offset, into, ReadMode::wait);
  }
  // Writes all pieces one after the other from `offset` on, or fails; a failed write may have written a part.
  virtual Result<void> write(std::uint64_t offset, std::span<const ByteView> pieces) = 0;
  // As write(), but past the page cache where the file system can, which takes a fraction of the time and leaves the cache
  // to what is read. `offset` must be a multiple of kDirectAlignment; zeros follow the pieces up to the next multiple.
  virtual Result<void> write_direct(std::uint64_t offset, std::span<const ByteView> pieces);
  virtual Result<void> sync() = 0;  // fdatasync
  virtual Result<std::uint64_t> size() = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  // Takes the space of the first `bytes` bytes now, so that writing them never finds the disk full; size() stays. exhausted:
  // not so much is free. Success without effect where the file system cannot.
  virtual Result<void> reserve(std::uint64_t) { return {}; }
  // Drops what memory holds of the synced bytes, so that the next read shows what is really on the device. After a failed
  // sync the two differ.
  virtual Result<void> forget_cached() { return {}; }

  Result<void> write(std::uint64_t offset, ByteView piece) { return write(offset, std::span(&piece, 1)); }
};

enum class OpenMode {
  read,    // must exist
  update,  // must exist; read and write
  create,  // must not exist; read and write
};

struct DiskSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<void> make_dir(const std::string& path) = 0;  // success when it exists
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, sorted
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;  // a file or an empty directory
  virtual Result<void> sync_dir(const std::string& path) = 0;
  virtual Result<DiskSpace> space() = 0;
};

// The real file system. `root` must exist. Opens with O_NOFOLLOW relative to the root's descriptor.
class PosixDisk final : public Disk {
 public:
  static Result<std::unique_ptr<PosixDisk>> open_root(const std::string& root);
  ~PosixDisk() override;
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<void> make_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_dir(const std::string& path) override;
  Result<DiskSpace> space() override;
  // Takes an exclusive lock on a file of this name below the root until destruction. conflict when another process has it.
  Result<void> lock(const std::string& path);
  void unlock();
  const std::string& root() const { return root_; }

 private:
  PosixDisk(std::string root, int fd) : root_(std::move(root)), root_fd_(fd) {}
  std::string root_;
  int root_fd_;
  int lock_fd_ = -1;
};

// The whole of a file of at most `limit` bytes; too_large past it.
Result<std::string> read_file(Disk& disk, const std::string& path, std::size_t limit);
// Replaces `path` so that a power cut leaves the old or the new content: write beside, sync, rename, sync the directory.
Result<void> replace_file(Disk& disk, const std::string& path, std::string_view content);

}  // namespace gabion
