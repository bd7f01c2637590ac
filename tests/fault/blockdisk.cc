// blockdisk shows one file, "disk", over FUSE, and logs each write and flush that reaches it. With a loop device and a
// real file system on top, the log holds every state in which a power cut could have left the disk (see blocklog.py).
//
//   blockdisk IMAGE LOG MOUNT_POINT
//
// Writing to the file "mark" adds the text to the log. The log is a sequence of records: operation (1 byte: W write,
// F flush, M mark), offset (8 bytes), length (4 bytes), both little-endian, then the bytes.
#define FUSE_USE_VERSION 31
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace {

struct State {
  int image = -1;
  int log = -1;
  off_t size = 0;
  std::mutex mutex;  // the order of the log is the order of the disk
};

State state;

bool is_disk(const char* path) { return std::strcmp(path, "/disk") == 0; }
bool is_mark(const char* path) { return std::strcmp(path, "/mark") == 0; }

bool append(char operation, std::uint64_t offset, const char* data, std::uint32_t length) {
  char header[13] = {operation};
  std::memcpy(header + 1, &offset, sizeof offset);
  std::memcpy(header + 9, &length, sizeof length);
  return write(state.log, header, sizeof header) == static_cast<ssize_t>(sizeof header) &&
         write(state.log, data, length) == static_cast<ssize_t>(length);
}

int do_getattr(const char* path, struct stat* st, fuse_file_info*) {
  *st = {};
  if (std::strcmp(path, "/") == 0) {
    st->st_mode = S_IFDIR | 0755;
    st->st_nlink = 2;
    return 0;
  }
  if (!is_disk(path) && !is_mark(path)) return -ENOENT;
  st->st_mode = S_IFREG | 0600;
  st->st_nlink = 1;
  st->st_size = is_disk(path) ? state.size : 0;
  return 0;
}

int do_readdir(const char*, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  fill(buffer, "disk", nullptr, 0, fuse_fill_dir_flags{});
  fill(buffer, "mark", nullptr, 0, fuse_fill_dir_flags{});
  return 0;
}

int do_open(const char*, fuse_file_info* info) {
  info->direct_io = 1;  // nothing may be answered from a cache above the log
  return 0;
}

int do_read(const char* path, char* into, std::size_t length, off_t offset, fuse_file_info*) {
  if (!is_disk(path)) return 0;
  const ssize_t got = pread(state.image, into, length, offset);
  return got < 0 ? -errno : static_cast<int>(got);
}

int do_write(const char* path, const char* from, std::size_t length, off_t offset, fuse_file_info*) {
  std::lock_guard lock(state.mutex);
  if (!append(is_mark(path) ? 'M' : 'W', static_cast<std::uint64_t>(offset), from, static_cast<std::uint32_t>(length))) {
    return -EIO;
  }
  if (is_mark(path)) return static_cast<int>(length);
  const ssize_t written = pwrite(state.image, from, length, offset);
  return written < 0 ? -errno : static_cast<int>(written);
}

int do_fsync(const char*, int, fuse_file_info*) {
  std::lock_guard lock(state.mutex);
  return append('F', 0, nullptr, 0) ? 0 : -EIO;
}

int do_truncate(const char*, off_t, fuse_file_info*) { return 0; }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: blockdisk IMAGE LOG MOUNT_POINT\n");
    return 64;
  }
  state.image = open(argv[1], O_RDWR);
  state.log = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
  struct stat st {};
  if (state.image < 0 || state.log < 0 || fstat(state.image, &st) != 0) {
    std::perror("blockdisk");
    return 66;
  }
  state.size = st.st_size;
  fuse_operations table{};
  table.getattr = do_getattr;
  table.readdir = do_readdir;
  table.open = do_open;
  table.read = do_read;
  table.write = do_write;
  table.fsync = do_fsync;
  table.truncate = do_truncate;
  char foreground[] = "-f";
  char* arguments[] = {argv[0], argv[3], foreground, nullptr};
  return fuse_main(3, arguments, &table, nullptr);
}
