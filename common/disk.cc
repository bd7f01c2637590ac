#include "common/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include "common/check.h"

namespace gabion {
namespace {

constexpr std::size_t kIovecMax = 64;
constexpr std::size_t kDirectBytes = 1 * MiB;  // of one direct write
static_assert(kDirectBytes % kDirectAlignment == 0);

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};

// Direct writes need aligned memory. Each thread that makes them copies through one such piece: it stays in the
// processor's cache, so the copy costs little.
std::byte* direct_buffer() {
  thread_local const std::unique_ptr<std::byte, FreeMemory> buffer(
      static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, kDirectBytes)));
  return buffer.get();
}

std::size_t padding_of(std::span<const ByteView> pieces) {
  std::size_t total = 0;
  for (const ByteView piece : pieces) total += piece.size();
  return (kDirectAlignment - total % kDirectAlignment) % kDirectAlignment;
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PosixFile() override {
    ::close(fd_);
    if (direct_fd_ >= 0) ::close(direct_fd_);
  }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<std::size_t> read(std::uint64_t offset, MutableBytes into, ReadMode mode) override {
    std::size_t done = 0;
    while (done < into.size()) {
      iovec part{into.data() + done, into.size() - done};
      const int flags = mode == ReadMode::cached_only ? RWF_NOWAIT : 0;
      const ssize_t n = ::preadv2(fd_, &part, 1, static_cast<off_t>(offset + done), flags);
      if (n == 0) break;
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && mode == ReadMode::cached_only && errno == EOPNOTSUPP) {
        return Error(Errc::would_block, "the file system cannot read without waiting");
      }
      if (n < 0) return errno_error(errno, "read", path_);
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  Result<std::size_t> read_direct(std::uint64_t offset, MutableBytes into) override {
    if (direct_fd() < 0) return read(offset, into, ReadMode::wait);
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = ::pread(direct_fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error(errno, "direct read", path_);
      done += static_cast<std::size_t>(n);
      if (n == 0 || done % kDirectAlignment != 0) break;  // the end of the file
    }
    return done;
  }

  Result<void> write(std::uint64_t offset, std::span<const ByteView> pieces) override {
    std::size_t index = 0;
    std::size_t skip = 0;  // bytes of pieces[index] already written
    while (index < pieces.size()) {
      iovec parts[kIovecMax];
      int count = 0;
      for (std::size_t i = index; i < pieces.size() && count < static_cast<int>(kIovecMax); ++i, ++count) {
        const std::size_t from = i == index ? skip : 0;
        parts[count] = {const_cast<std::byte*>(pieces[i].data() + from), pieces[i].size() - from};
      }
      ssize_t n = ::pwritev(fd_, parts, count, static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error(errno, "write", path_);
      offset += static_cast<std::uint64_t>(n);
      while (index < pieces.size() && static_cast<std::size_t>(n) >= pieces[index].size() - skip) {
        n -= static_cast<ssize_t>(pieces[index].size() - skip);
        skip = 0;
        ++index;
      }
      skip += static_cast<std::size_t>(n);
    }
    return {};
  }

  Result<void> write_direct(std::uint64_t offset, std::span<const ByteView> pieces) override {
    GABION_CHECK(offset % kDirectAlignment == 0, "a direct write is not aligned");
    if (direct_fd() < 0) return File::write_direct(offset, pieces);
    std::byte* const buffer = direct_buffer();
    std::size_t filled = 0;
    for (ByteView piece : pieces) {
      while (!piece.empty()) {
        const std::size_t n = std::min(piece.size(), kDirectBytes - filled);
        std::memcpy(buffer + filled, piece.data(), n);
        filled += n;
        piece = piece.subspan(n);
        if (filled < kDirectBytes) continue;
        TRY_OK(write_aligned(offset, buffer, filled));
        offset += filled;
        filled = 0;
      }
    }
    const std::size_t padded = (filled + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    std::memset(buffer + filled, 0, padded - filled);
    return write_aligned(offset, buffer, padded);
  }

  Result<void> sync() override {
    if (::fdatasync(fd_) != 0) return errno_error(errno, "fdatasync", path_);
    return {};
  }
  Result<std::uint64_t> size() override {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) return errno_error(errno, "fstat", path_);
    return static_cast<std::uint64_t>(st.st_size);
  }
  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return errno_error(errno, "ftruncate", path_);
    return {};
  }
  Result<void> reserve(std::uint64_t bytes) override {
    int rc = 0;
    do {
      rc = ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes));
    } while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EOPNOTSUPP && errno != ENOSYS) return errno_error(errno, "fallocate", path_);
    return {};
  }
  Result<void> forget_cached() override {
    if (const int rc = ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED); rc != 0) return errno_error(rc, "posix_fadvise", path_);
    return {};
  }

 private:
  // A second descriptor of the same file, opened when first asked for; -1 where the file system has no direct access.
  int direct_fd() {
    std::call_once(direct_opened_, [this] {
      const std::string self = "/proc/self/fd/" + std::to_string(fd_);
      const int access = ::fcntl(fd_, F_GETFL) & O_ACCMODE;
      direct_fd_ = ::open(self.c_str(), access | O_DIRECT | O_CLOEXEC);
    });
    return direct_fd_;
  }
  Result<void> write_aligned(std::uint64_t offset, const std::byte* from, std::size_t bytes) const {
    for (std::size_t done = 0; done < bytes;) {
      const ssize_t n = ::pwrite(direct_fd_, from + done, bytes - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error(errno, "direct write", path_);
      // A short write may end within a block, which is then written again from its start.
      const std::size_t whole = static_cast<std::size_t>(n) / kDirectAlignment * kDirectAlignment;
      if (whole == 0) return errno_error(EIO, "short direct write", path_);
      done += whole;
    }
    return {};
  }

  const std::string path_;
  const int fd_;
  std::once_flag direct_opened_;
  int direct_fd_ = -1;
};

}  // namespace

Result<void> File::write_direct(std::uint64_t offset, std::span<const ByteView> pieces) {
  static constexpr std::byte kZeros[kDirectAlignment] = {};
  std::vector<ByteView> padded(pieces.begin(), pieces.end());
  if (const std::size_t padding = padding_of(pieces); padding != 0) padded.emplace_back(kZeros, padding);
  return write(offset, padded);
}

Result<std::unique_ptr<PosixDisk>> PosixDisk::open_root(const std::string& root) {
  const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "open", root);
  return std::unique_ptr<PosixDisk>(new PosixDisk(root, fd));
}

PosixDisk::~PosixDisk() {
  unlock();
  ::close(root_fd_);
}

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC | O_NOFOLLOW;
  if (mode == OpenMode::read) flags |= O_RDONLY;
  if (mode == OpenMode::update) flags |= O_RDWR;
  if (mode == OpenMode::create) flags |= O_RDWR | O_CREAT | O_EXCL;
  const int fd = ::openat(root_fd_, path.c_str(), flags, 0600);
  if (fd < 0) return errno_error(errno, "open", root_ + "/" + path);
  return std::unique_ptr<File>(new PosixFile(root_ + "/" + path, fd));
}

Result<void> PosixDisk::make_dir(const std::string& path) {
  if (::mkdirat(root_fd_, path.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error(errno, "mkdir", root_ + "/" + path);
  }
  return {};
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& path) {
  const int fd = ::openat(root_fd_, path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "open", root_ + "/" + path);
  DIR* dir = ::fdopendir(fd);
  if (dir == nullptr) {
    ::close(fd);
    return errno_error(errno, "opendir", root_ + "/" + path);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int failure = errno;
  ::closedir(dir);
  if (failure != 0) return errno_error(failure, "readdir", root_ + "/" + path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::renameat(root_fd_, from.c_str(), root_fd_, to.c_str()) != 0) {
    return errno_error(errno, "rename", root_ + "/" + from);
  }
  return {};
}

Result<void> PosixDisk::remove(const std::string& path) {
  if (::unlinkat(root_fd_, path.c_str(), 0) == 0) return {};
  if (errno == EISDIR && ::unlinkat(root_fd_, path.c_str(), AT_REMOVEDIR) == 0) return {};
  return errno_error(errno, "unlink", root_ + "/" + path);
}

Result<void> PosixDisk::sync_dir(const std::string& path) {
  const int fd = ::openat(root_fd_, path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, "open", root_ + "/" + path);
  const int rc = ::fsync(fd);
  const int failure = errno;
  ::close(fd);
  if (rc != 0) return errno_error(failure, "fsync", root_ + "/" + path);
  return {};
}

Result<DiskSpace> PosixDisk::space() {
  struct statvfs st {};
  if (::fstatvfs(root_fd_, &st) != 0) return errno_error(errno, "statvfs", root_);
  return DiskSpace{.total_bytes = st.f_blocks * st.f_frsize, .available_bytes = st.f_bavail * st.f_frsize};
}

void PosixDisk::unlock() {
  if (lock_fd_ >= 0) ::close(std::exchange(lock_fd_, -1));
}

Result<void> PosixDisk::lock(const std::string& path) {
  const int fd = ::openat(root_fd_, path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno_error(errno, "open", root_ + "/" + path);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int failure = errno;
    ::close(fd);
    if (failure == EWOULDBLOCK) return Error(Errc::conflict, root_ + " is in use by another process");
    return errno_error(failure, "flock", root_ + "/" + path);
  }
  lock_fd_ = fd;
  return {};
}

Result<std::string> read_file(Disk& disk, const std::string& path, std::size_t limit) {
  TRY(auto file, disk.open(path, OpenMode::read));
  TRY(const std::uint64_t size, file->size());
  if (size > limit) return Error(Errc::too_large, path + " is larger than expected");
  std::string content(size, '\0');
  TRY(const std::size_t n, file->read(0, std::as_writable_bytes(std::span(content)), ReadMode::wait));
  content.resize(n);
  return content;
}

Result<void> replace_file(Disk& disk, const std::string& path, std::string_view content) {
  const std::string beside = path + ".new";
  if (auto removed = disk.remove(beside); !removed && removed.error().code != Errc::not_found) return removed;
  {
    TRY(auto file, disk.open(beside, OpenMode::create));
    TRY_OK(file->write(0, as_bytes(content)));
    TRY_OK(file->sync());
  }
  TRY_OK(disk.rename(beside, path));
  const auto slash = path.rfind('/');
  return disk.sync_dir(slash == std::string::npos ? std::string() : path.substr(0, slash));
}

}  // namespace gabion
