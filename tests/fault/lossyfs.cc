// lossyfs is a FUSE file system over a directory that behaves like a disk in a power cut: what was not synced is lost.
//
//   lossyfs BACKING_DIR MOUNT_POINT
//
// Written bytes stay in this process's memory until fsync or fdatasync of their file puts them into the backing
// directory. Names made, renamed or removed are noted until fsync of their directory. Commands are written to the file
// ".lossyfs" in the mount's root, one a line, while no file is open:
//
//   crash drop          forget unsynced bytes and undo unsynced names
//   crash torn SEED     as drop, but each unsynced 512-byte sector survives with one chance in two
//   fail sync N TEXT    the N-th sync from now on of a path that contains TEXT fails with EIO, once: as a kernel does, its
//                       bytes count as clean afterwards, though they never reach the disk
//   fail read TEXT      reads of such paths fail with EIO until "heal"
//   fail write TEXT     writes, creations and syncs on such paths fail with EIO until "heal"
//   fail space TEXT     writes and creations on such paths fail with ENOSPC until "heal"
//   heal                ends the failures
//
// Reading the file gives counters: syncs, sectors lost and kept, names undone, failures injected, and
// writes and syncs on files whose sync has failed (a store that respects the failure makes none).
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kSector = 512;
constexpr std::size_t kPage = 4096;
constexpr const char* kControl = "/.lossyfs";
constexpr const char* kGraveyard = "/.lossyfs-removed";  // holds what an undone removal brings back
constexpr std::uint64_t kControlHandle = ~std::uint64_t{0};

using Page = std::vector<char>;

// What one file holds beyond the backing file.
struct Inode {
  int fd = -1;                      // of the backing file, kept open so that an unlinked file can still be read
  off_t size = 0;                   // as programs see it
  std::map<std::uint64_t, Page> dirty;
  std::map<std::uint64_t, Page> forgotten;  // their sync failed: readable until the crash, on no disk
  bool sync_failed = false;
};

// A change of names that a crash undoes unless its directory was synced.
struct NameChange {
  enum Kind { made, removed, renamed } kind;
  std::string path;   // the name made or removed, or the new name
  std::string from;   // renamed: the old name
  std::string saved;  // removed, or renamed over: where the old file is kept
  std::set<std::string> unsynced;  // the directories that still have to be synced
};

struct State {
  std::mutex mutex;
  std::string root;
  std::map<ino_t, Inode> inodes;
  std::vector<NameChange> names;
  std::string fail_read, fail_write, fail_space, fail_sync;
  long fail_sync_at = 0;
  std::uint64_t syncs = 0, lost = 0, kept = 0, undone = 0, injected = 0, writes_after_failure = 0, syncs_after_failure = 0;
  std::uint64_t next_grave = 0;
};

State state;

std::string backing(const std::string& path) { return state.root + path; }
std::string parent(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}
int result(int rc) { return rc < 0 ? -errno : 0; }
bool matches(const std::string& pattern, const char* path) {
  return !pattern.empty() && path != nullptr && std::string(path).find(pattern) != std::string::npos;
}

// The error that a write to this path is to fail with, or 0.
int write_failure(const char* path) {
  if (matches(state.fail_write, path)) return ++state.injected, -EIO;
  if (matches(state.fail_space, path)) return ++state.injected, -ENOSPC;
  return 0;
}

Inode& inode_of(int fd) {
  struct stat st {};
  fstat(fd, &st);
  Inode& inode = state.inodes[st.st_ino];
  if (inode.fd < 0) {
    const std::string self = "/proc/self/fd/" + std::to_string(fd);
    inode.fd = open(self.c_str(), O_RDWR);
    inode.size = st.st_size;
  }
  return inode;
}

void forget_if_clean(int fd) {
  struct stat st {};
  fstat(fd, &st);
  const auto found = state.inodes.find(st.st_ino);
  if (found == state.inodes.end() || !found->second.dirty.empty() || found->second.sync_failed) return;
  if (found->second.size != st.st_size) return;
  close(found->second.fd);
  state.inodes.erase(found);
}

Page& page_for_write(Inode& inode, std::uint64_t number) {
  Page& page = inode.dirty[number];
  if (!page.empty()) return page;
  page.assign(kPage, 0);
  if (const auto old = inode.forgotten.find(number); old != inode.forgotten.end()) {
    page = old->second;
  } else if (pread(inode.fd, page.data(), kPage, static_cast<off_t>(number * kPage)) < 0) {
    page.assign(kPage, 0);
  }
  return page;
}

void overlay(const std::map<std::uint64_t, Page>& pages, char* into, std::size_t length, off_t offset) {
  const auto end = static_cast<std::uint64_t>(offset) + length;
  for (auto it = pages.lower_bound(static_cast<std::uint64_t>(offset) / kPage); it != pages.end(); ++it) {
    const std::uint64_t start = it->first * kPage;
    if (start >= end) break;
    const std::uint64_t from = std::max<std::uint64_t>(start, static_cast<std::uint64_t>(offset));
    const std::uint64_t to = std::min(start + kPage, end);
    std::memcpy(into + (from - static_cast<std::uint64_t>(offset)), it->second.data() + (from - start), to - from);
  }
}

void write_back(Inode& inode, std::uint64_t start, const char* data, std::size_t length) {
  if (static_cast<off_t>(start) >= inode.size) return;
  length = std::min(length, static_cast<std::size_t>(inode.size - static_cast<off_t>(start)));
  if (pwrite(inode.fd, data, length, static_cast<off_t>(start)) != static_cast<ssize_t>(length)) {
    std::fprintf(stderr, "lossyfs: the backing directory fails: %s\n", std::strerror(errno));
    std::abort();
  }
}

int sync_inode(const char* path, Inode& inode) {
  ++state.syncs;
  if (matches(state.fail_write, path)) return ++state.injected, -EIO;
  if (inode.sync_failed) ++state.syncs_after_failure;
  if (state.fail_sync_at > 0 && matches(state.fail_sync, path) && --state.fail_sync_at == 0) {
    ++state.injected;
    for (auto& [number, page] : inode.dirty) inode.forgotten[number] = std::move(page);
    inode.dirty.clear();
    inode.sync_failed = true;
    return -EIO;
  }
  for (const auto& [number, page] : inode.dirty) {
    write_back(inode, number * kPage, page.data(), kPage);
    inode.forgotten.erase(number);
  }
  inode.dirty.clear();
  return result(ftruncate(inode.fd, inode.size));
}

// Names.

std::string bury(const std::string& path) {
  struct stat st {};
  if (lstat(backing(path).c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return "";
  const std::string grave = std::string(kGraveyard) + "/" + std::to_string(state.next_grave++);
  return link(backing(path).c_str(), backing(grave).c_str()) == 0 ? grave : "";
}

void note(NameChange::Kind kind, const std::string& path, const std::string& from, const std::string& saved) {
  NameChange change{kind, path, from, saved, {parent(path)}};
  if (!from.empty()) change.unsynced.insert(parent(from));
  state.names.push_back(std::move(change));
}

void sync_names(const std::string& directory) {
  for (NameChange& change : state.names) change.unsynced.erase(directory);
  std::erase_if(state.names, [](const NameChange& change) {
    if (!change.unsynced.empty()) return false;
    if (!change.saved.empty()) unlink(backing(change.saved).c_str());
    return true;
  });
}

void undo(const NameChange& change) {
  ++state.undone;
  const std::string path = backing(change.path);
  if (change.kind == NameChange::renamed) rename(path.c_str(), backing(change.from).c_str());
  if (change.kind == NameChange::made && unlink(path.c_str()) != 0 && rmdir(path.c_str()) != 0) {
    // A directory that holds synced names but has no synced name itself: all of it is out of reach.
    rename(path.c_str(), backing(std::string(kGraveyard) + "/" + std::to_string(state.next_grave++)).c_str());
  }
  if (!change.saved.empty()) rename(backing(change.saved).c_str(), path.c_str());
}

void crash(bool torn, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (auto& [number, inode] : state.inodes) {
    for (const auto& [page_number, page] : inode.dirty) {
      for (std::size_t at = 0; at < kPage; at += kSector) {
        if (!torn || (random() & 1) == 0) {
          ++state.lost;
        } else {
          ++state.kept;
          write_back(inode, page_number * kPage + at, page.data() + at, kSector);
        }
      }
    }
    close(inode.fd);
  }
  state.inodes.clear();
  for (auto change = state.names.rbegin(); change != state.names.rend(); ++change) undo(*change);
  state.names.clear();
}

std::string counters() {
  std::ostringstream out;
  out << "syncs=" << state.syncs << "\nlost=" << state.lost << "\nkept=" << state.kept << "\nundone=" << state.undone
      << "\ninjected=" << state.injected << "\nwrites_after_failure=" << state.writes_after_failure
      << "\nsyncs_after_failure=" << state.syncs_after_failure << "\n";
  return out.str();
}

int command(const std::string& line) {
  std::istringstream words(line);
  std::string verb, what;
  words >> verb >> what;
  if (verb == "crash" && what == "drop") {
    crash(false, 0);
  } else if (std::uint64_t seed = 0; verb == "crash" && what == "torn" && words >> seed) {
    crash(true, seed);
  } else if (verb == "fail" && what == "sync" && words >> state.fail_sync_at >> state.fail_sync) {
  } else if (verb == "fail" && what == "read" && words >> state.fail_read) {
  } else if (verb == "fail" && what == "write" && words >> state.fail_write) {
  } else if (verb == "fail" && what == "space" && words >> state.fail_space) {
  } else if (verb == "heal") {
    state.fail_read.clear();
    state.fail_write.clear();
    state.fail_space.clear();
    state.fail_sync.clear();
    state.fail_sync_at = 0;
  } else {
    return -EINVAL;
  }
  return 0;
}

// The FUSE operations.

int do_getattr(const char* path, struct stat* st, fuse_file_info*) {
  std::lock_guard lock(state.mutex);
  if (std::strcmp(path, kControl) == 0) {
    *st = {};
    st->st_mode = S_IFREG | 0600;
    st->st_nlink = 1;
    return 0;
  }
  if (lstat(backing(path).c_str(), st) < 0) return -errno;
  if (const auto found = state.inodes.find(st->st_ino); found != state.inodes.end()) st->st_size = found->second.size;
  return 0;
}

int do_readdir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  DIR* dir = opendir(backing(path).c_str());
  if (dir == nullptr) return -errno;
  while (const dirent* entry = readdir(dir)) {
    if (std::string("/") + entry->d_name != kGraveyard) fill(buffer, entry->d_name, nullptr, 0, fuse_fill_dir_flags{});
  }
  closedir(dir);
  return 0;
}

int do_open(const char* path, fuse_file_info* info) {
  if (std::strcmp(path, kControl) == 0) {
    info->fh = kControlHandle;
    info->direct_io = 1;
    return 0;
  }
  int flags = info->flags & ~(O_APPEND | O_TRUNC | O_DIRECT | O_EXCL | O_CREAT);
  if ((flags & O_ACCMODE) == O_WRONLY) flags = (flags & ~O_ACCMODE) | O_RDWR;
  const int fd = open(backing(path).c_str(), flags);
  if (fd < 0) return -errno;
  info->fh = static_cast<std::uint64_t>(fd);
  if ((info->flags & O_TRUNC) != 0) {
    std::lock_guard lock(state.mutex);
    Inode& inode = inode_of(fd);
    inode.dirty.clear();
    inode.size = 0;
  }
  return 0;
}

int do_create(const char* path, mode_t mode, fuse_file_info* info) {
  std::lock_guard lock(state.mutex);
  if (const int failure = write_failure(path); failure != 0) return failure;
  const int fd = open(backing(path).c_str(), O_CREAT | O_EXCL | O_RDWR, mode);
  if (fd < 0) return -errno;
  info->fh = static_cast<std::uint64_t>(fd);
  note(NameChange::made, path, "", "");
  return 0;
}

int do_read(const char* path, char* into, std::size_t length, off_t offset, fuse_file_info* info) {
  std::lock_guard lock(state.mutex);
  if (info->fh == kControlHandle) {
    const std::string text = counters();
    if (static_cast<std::size_t>(offset) >= text.size()) return 0;
    return static_cast<int>(text.copy(into, length, static_cast<std::size_t>(offset)));
  }
  if (matches(state.fail_read, path)) return ++state.injected, -EIO;
  Inode& inode = inode_of(static_cast<int>(info->fh));
  if (offset >= inode.size) return 0;
  length = std::min(length, static_cast<std::size_t>(inode.size - offset));
  const ssize_t got = std::max<ssize_t>(0, pread(inode.fd, into, length, offset));
  std::memset(into + got, 0, length - static_cast<std::size_t>(got));
  overlay(inode.forgotten, into, length, offset);
  overlay(inode.dirty, into, length, offset);
  return static_cast<int>(length);
}

int do_write(const char* path, const char* from, std::size_t length, off_t offset, fuse_file_info* info) {
  std::lock_guard lock(state.mutex);
  if (info->fh == kControlHandle) {
    std::istringstream lines(std::string(from, length));
    for (std::string line; std::getline(lines, line);) {
      if (const int rc = command(line); rc != 0) return rc;
    }
    return static_cast<int>(length);
  }
  if (const int failure = write_failure(path); failure != 0) return failure;
  Inode& inode = inode_of(static_cast<int>(info->fh));
  if (inode.sync_failed) ++state.writes_after_failure;
  if ((info->flags & O_APPEND) != 0) offset = inode.size;
  for (std::size_t done = 0; done < length;) {
    const std::uint64_t at = static_cast<std::uint64_t>(offset) + done;
    const std::size_t within = at % kPage;
    const std::size_t part = std::min(kPage - within, length - done);
    std::memcpy(page_for_write(inode, at / kPage).data() + within, from + done, part);
    done += part;
  }
  inode.size = std::max(inode.size, offset + static_cast<off_t>(length));
  return static_cast<int>(length);
}

int do_fsync(const char* path, int, fuse_file_info* info) {
  std::lock_guard lock(state.mutex);
  return info->fh == kControlHandle ? 0 : sync_inode(path, inode_of(static_cast<int>(info->fh)));
}

int do_fsyncdir(const char* path, int, fuse_file_info*) {
  std::lock_guard lock(state.mutex);
  ++state.syncs;
  if (state.fail_sync_at > 0 && matches(state.fail_sync, path) && --state.fail_sync_at == 0) return ++state.injected, -EIO;
  sync_names(path);
  return 0;
}

int do_truncate(const char* path, off_t size, fuse_file_info*) {
  if (std::strcmp(path, kControl) == 0) return 0;  // a shell's redirection truncates first
  const int fd = open(backing(path).c_str(), O_RDWR);
  if (fd < 0) return -errno;
  std::lock_guard lock(state.mutex);
  Inode& inode = inode_of(fd);
  if (size < inode.size) {
    const std::uint64_t last = static_cast<std::uint64_t>(size) / kPage;
    if (size % static_cast<off_t>(kPage) != 0) {
      Page& page = page_for_write(inode, last);
      std::fill(page.begin() + size % static_cast<off_t>(kPage), page.end(), 0);
    }
    const std::uint64_t first_gone = (static_cast<std::uint64_t>(size) + kPage - 1) / kPage;
    inode.dirty.erase(inode.dirty.lower_bound(first_gone), inode.dirty.end());
    inode.forgotten.erase(inode.forgotten.lower_bound(first_gone), inode.forgotten.end());
    // Beyond the new end the backing file still has its old bytes; growing again must show zeros.
    struct stat st {};
    fstat(fd, &st);
    for (std::uint64_t page = first_gone; static_cast<off_t>(page * kPage) < st.st_size; ++page) {
      inode.dirty[page].assign(kPage, 0);
    }
  }
  inode.size = size;
  close(fd);
  return 0;
}

int do_release(const char*, fuse_file_info* info) {
  if (info->fh == kControlHandle) return 0;
  std::lock_guard lock(state.mutex);
  forget_if_clean(static_cast<int>(info->fh));
  close(static_cast<int>(info->fh));
  return 0;
}

int do_unlink(const char* path) {
  std::lock_guard lock(state.mutex);
  const std::string saved = bury(path);
  if (unlink(backing(path).c_str()) < 0) return -errno;
  note(NameChange::removed, path, "", saved);
  return 0;
}

int do_mkdir(const char* path, mode_t mode) {
  std::lock_guard lock(state.mutex);
  if (mkdir(backing(path).c_str(), mode) < 0) return -errno;
  note(NameChange::made, path, "", "");
  return 0;
}

int do_rmdir(const char* path) {
  // An empty directory that comes back after a crash would hurt nobody, so its removal is taken as durable.
  return result(rmdir(backing(path).c_str()));
}

int do_rename(const char* from, const char* to, unsigned flags) {
  if (flags != 0) return -EINVAL;
  std::lock_guard lock(state.mutex);
  const std::string saved = bury(to);
  if (rename(backing(from).c_str(), backing(to).c_str()) < 0) return -errno;
  note(NameChange::renamed, to, from, saved);
  return 0;
}

int do_link(const char* from, const char* to) {
  std::lock_guard lock(state.mutex);
  if (link(backing(from).c_str(), backing(to).c_str()) < 0) return -errno;
  note(NameChange::made, to, "", "");
  return 0;
}

int do_statfs(const char*, struct statvfs* out) { return result(statvfs(state.root.c_str(), out)); }
int do_chmod(const char* path, mode_t mode, fuse_file_info*) { return result(chmod(backing(path).c_str(), mode)); }
int do_utimens(const char* path, const timespec times[2], fuse_file_info*) {
  return std::strcmp(path, kControl) == 0 ? 0 : result(utimensat(AT_FDCWD, backing(path).c_str(), times, 0));
}

void* do_init(fuse_conn_info*, fuse_config* config) {
  config->use_ino = 1;
  // Attributes and names are asked for each time: a crash changes them behind the kernel's back.
  config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
  return nullptr;
}

fuse_operations operations() {
  fuse_operations table{};
  table.init = do_init;
  table.getattr = do_getattr;
  table.readdir = do_readdir;
  table.open = do_open;
  table.create = do_create;
  table.read = do_read;
  table.write = do_write;
  table.fsync = do_fsync;
  table.fsyncdir = do_fsyncdir;
  table.truncate = do_truncate;
  table.release = do_release;
  table.unlink = do_unlink;
  table.mkdir = do_mkdir;
  table.rmdir = do_rmdir;
  table.rename = do_rename;
  table.link = do_link;
  table.statfs = do_statfs;
  table.chmod = do_chmod;
  table.utimens = do_utimens;
  return table;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: lossyfs BACKING_DIR MOUNT_POINT\n");
    return 64;
  }
  char* root = realpath(argv[1], nullptr);
  if (root == nullptr) {
    std::perror(argv[1]);
    return 66;
  }
  state.root = root;
  std::free(root);
  mkdir(backing(kGraveyard).c_str(), 0700);
  char foreground[] = "-f";
  char* arguments[] = {argv[0], argv[2], foreground, nullptr};
  const fuse_operations table = operations();
  return fuse_main(3, arguments, &table, nullptr);
}
