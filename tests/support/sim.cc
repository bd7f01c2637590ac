#include "tests/support/sim.h"

#include <algorithm>

namespace gabion::sim {

// --- World ---

boost::asio::execution_context& SimExecutor::query(boost::asio::execution::context_t) const noexcept { return *world_; }

TimePoint SimClock::now() const { return TimePoint(Duration(world_.now_ns())); }

WallMicros SimClock::wall() const {
  constexpr std::int64_t kStart = 1'800'000'000'000'000;  // a day in 2027
  return static_cast<WallMicros>(kStart + static_cast<std::int64_t>(world_.now_ns() / 1000) + wall_offset_);
}

task<void> SimClock::sleep(Duration duration) {
  Event done;
  world_.at(world_.now_ns() + static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)), [&done] { done.set(); });
  co_await done.wait();
}

SimWorld::SimWorld(std::uint64_t seed) : rng_(seed) {}

SimWorld::~SimWorld() {
  while (!events_.empty()) events_.pop();
  shutdown();
  destroy();
}

void SimWorld::at(std::uint64_t when_ns, std::function<void()> event) {
  events_.push({when_ns, sequence_++, std::move(event)});
}

bool SimWorld::step() {
  if (events_.empty()) return false;
  auto run = std::move(const_cast<Event&>(events_.top()).run);
  now_ns_ = std::max(now_ns_, events_.top().when);
  events_.pop();
  run();
  return true;
}

void SimWorld::run_for(Duration duration) {
  const std::uint64_t until = now_ns_ + static_cast<std::uint64_t>(duration.count());
  while (!events_.empty() && events_.top().when <= until) step();
  now_ns_ = until;
}

// --- Disk ---

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<SimDisk::Inode> inode, std::string path, bool writable)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), writable_(writable), generation_(disk.generation_) {}

  Result<std::size_t> read(std::uint64_t offset, MutableBytes into, ReadMode) override {
    TRY_OK(alive());
    if (disk_.unreadable_.contains(path_)) return Error(Errc::unavailable, "injected read error on " + path_);
    if (offset >= inode_->current.size()) return std::size_t{0};
    const std::size_t n = std::min<std::size_t>(into.size(), inode_->current.size() - offset);
    std::memcpy(into.data(), inode_->current.data() + offset, n);
    return n;
  }
  Result<void> write(std::uint64_t offset, std::span<const ByteView> pieces) override {
    TRY_OK(alive());
    GABION_CHECK(writable_, "a file opened for reading is written");
    return disk_.write(*inode_, offset, pieces);
  }
  Result<void> sync() override {
    TRY_OK(alive());
    return disk_.sync(*inode_);
  }
  Result<std::uint64_t> size() override {
    TRY_OK(alive());
    return inode_->current.size();
  }
  Result<void> truncate(std::uint64_t size) override {
    TRY_OK(alive());
    TRY_OK(disk_.operate("truncate"));
    inode_->pending.push_back({size, {}, true});
    inode_->current.resize(size, '\0');
    inode_->reserved = 0;
    return {};
  }
  Result<void> reserve(std::uint64_t bytes) override {
    TRY_OK(alive());
    if (!disk_.fits(*inode_, bytes)) return Error(Errc::exhausted, "no space left on the simulated disk");
    TRY_OK(disk_.operate("reserve"));
    inode_->reserved = std::max(inode_->reserved, bytes);
    return {};
  }
  Result<void> forget_cached() override {
    TRY_OK(alive());
    if (inode_->pending.empty()) inode_->current = inode_->durable;
    return {};
  }

 private:
  Result<void> alive() const {
    if (generation_ != disk_.generation_ || !disk_.powered_) return Error(Errc::unavailable, "the machine has lost power");
    return {};
  }
  SimDisk& disk_;
  std::shared_ptr<SimDisk::Inode> inode_;
  const std::string path_;
  const bool writable_;
  const std::uint64_t generation_;
};

std::string SimDisk::parent(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

void SimDisk::Tree::apply(const NameChange& change) {
  switch (change.kind) {
    case NameChange::Kind::create: files[change.path] = change.inode; break;
    case NameChange::Kind::make_dir: dirs.insert(change.path); break;
    case NameChange::Kind::remove:
      files.erase(change.path);
      dirs.erase(change.path);
      break;
    case NameChange::Kind::rename:
      if (const auto it = files.find(change.path); it != files.end()) {
        auto inode = it->second;
        files.erase(it);
        files[change.to] = std::move(inode);
      } else if (dirs.erase(change.path) != 0) {
        // A directory moves with everything below it.
        dirs.insert(change.to);
        std::map<std::string, std::shared_ptr<Inode>> moved;
        for (const auto& [path, inode] : files) {
          const bool below = path.starts_with(change.path + "/");
          moved[below ? change.to + path.substr(change.path.size()) : path] = inode;
        }
        files = std::move(moved);
      }
      break;
  }
}

void SimDisk::apply(std::string& content, const Change& change) {
  if (change.truncate) {
    content.resize(change.offset, '\0');
    return;
  }
  if (content.size() < change.offset + change.bytes.size()) content.resize(change.offset + change.bytes.size(), '\0');
  std::memcpy(content.data() + change.offset, change.bytes.data(), change.bytes.size());
}

Result<void> SimDisk::operate(const std::string& what) {
  if (!powered_) return Error(Errc::unavailable, "the machine has lost power");
  if (power_left_) {
    if (*power_left_ == 0) {
      powered_ = false;
      power_left_.reset();
      return Error(Errc::unavailable, "power cut at " + what);
    }
    --*power_left_;
  }
  ++operations_;
  return {};
}

void SimDisk::change_name(NameChange change) {
  current_.apply(change);
  pending_names_.push_back(std::move(change));
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
  if (!powered_) return Error(Errc::unavailable, "the machine has lost power");
  const auto it = current_.files.find(path);
  if (mode == OpenMode::create) {
    if (it != current_.files.end()) return Error(Errc::already_exists, path + " exists");
    if (!parent(path).empty() && !current_.dirs.contains(parent(path))) return Error(Errc::not_found, "no directory for " + path);
    TRY_OK(operate("create"));
    auto inode = std::make_shared<Inode>();
    change_name({NameChange::Kind::create, path, {}, inode});
    return std::unique_ptr<File>(std::make_unique<SimFile>(*this, std::move(inode), path, true));
  }
  if (it == current_.files.end()) return Error(Errc::not_found, path + " does not exist");
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, it->second, path, mode == OpenMode::update));
}

Result<void> SimDisk::make_dir(const std::string& path) {
  if (current_.dirs.contains(path)) return {};
  TRY_OK(operate("make_dir"));
  change_name({NameChange::Kind::make_dir, path, {}, nullptr});
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
  if (!powered_) return Error(Errc::unavailable, "the machine has lost power");
  if (!path.empty() && !current_.dirs.contains(path)) return Error(Errc::not_found, path + " does not exist");
  const std::string prefix = path.empty() ? path : path + "/";
  std::set<std::string> names;
  const auto collect = [&](const std::string& entry) {
    if (!entry.starts_with(prefix) || entry.size() == prefix.size()) return;
    const std::string rest = entry.substr(prefix.size());
    if (rest.find('/') == std::string::npos) names.insert(rest);
  };
  for (const auto& [file, inode] : current_.files) collect(file);
  for (const auto& dir : current_.dirs) collect(dir);
  return std::vector<std::string>(names.begin(), names.end());
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  if (!current_.files.contains(from) && !current_.dirs.contains(from)) return Error(Errc::not_found, from + " does not exist");
  TRY_OK(operate("rename"));
  change_name({NameChange::Kind::rename, from, to, nullptr});
  return {};
}

Result<void> SimDisk::remove(const std::string& path) {
  if (!current_.files.contains(path) && !current_.dirs.contains(path)) return Error(Errc::not_found, path + " does not exist");
  TRY_OK(operate("remove"));
  change_name({NameChange::Kind::remove, path, {}, nullptr});
  return {};
}

Result<void> SimDisk::sync_dir(const std::string& path) {
  TRY_OK(operate("sync_dir"));
  if (ignore_syncs_) return {};
  std::size_t upto = 0;  // name changes keep their order, so all before the last that concerns this directory go too
  for (std::size_t i = 0; i < pending_names_.size(); ++i) {
    const NameChange& change = pending_names_[i];
    if (parent(change.path) == path || (!change.to.empty() && parent(change.to) == path)) upto = i + 1;
  }
  for (std::size_t i = 0; i < upto; ++i) durable_.apply(pending_names_[i]);
  pending_names_.erase(pending_names_.begin(), pending_names_.begin() + static_cast<std::ptrdiff_t>(upto));
  return {};
}

std::uint64_t SimDisk::used() const {
  std::uint64_t total = 0;
  for (const auto& [path, inode] : current_.files) total += inode->taken();
  return total;
}

bool SimDisk::fits(const Inode& inode, std::uint64_t size) const {
  return capacity_ == (1ull << 40) || size <= inode.taken() || used() + size - inode.taken() <= capacity_;
}

Result<DiskSpace> SimDisk::space() {
  if (!powered_) return Error(Errc::unavailable, "the machine has lost power");
  const std::uint64_t taken = used();
  return DiskSpace{.total_bytes = capacity_, .available_bytes = taken > capacity_ ? 0 : capacity_ - taken};
}

void SimDisk::put(Inode& inode, std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {  // sector by sector, so that a crash can tear the write
    const std::size_t room = kSector - offset % kSector;
    const std::size_t n = std::min(room, bytes.size());
    Change change{offset, std::string(as_text(bytes.first(n))), false};
    apply(inode.current, change);
    inode.pending.push_back(std::move(change));
    offset += n;
    bytes = bytes.subspan(n);
  }
}

Result<void> SimDisk::write(Inode& inode, std::uint64_t offset, std::span<const ByteView> pieces) {
  std::string all;
  for (const ByteView piece : pieces) all.append(as_text(piece));
  if (!fits(inode, offset + all.size())) return Error(Errc::exhausted, "no space left on the simulated disk");
  const bool was_powered = powered_;
  auto allowed = operate("write");
  if (!allowed) {
    // The write that the power cut hits may have reached the cache in part.
    if (was_powered && !all.empty()) put(inode, offset, as_bytes(all).first(rng_.below(all.size() + 1)));
    return allowed;
  }
  put(inode, offset, as_bytes(all));
  return {};
}

Result<void> SimDisk::sync(Inode& inode) {
  TRY_OK(operate("sync"));
  if (sync_left_) {
    if (*sync_left_ == 0) {
      sync_left_.reset();
      inode.pending.clear();  // the kernel marks the pages clean: the bytes stay readable and never reach the disk
      return Error(Errc::unavailable, "injected sync failure");
    }
    --*sync_left_;
  }
  if (ignore_syncs_) return {};
  for (const Change& change : inode.pending) apply(inode.durable, change);
  inode.pending.clear();
  return {};
}

void SimDisk::crash(Crash how) {
  std::size_t names = 0;
  if (how == Crash::keep_all) names = pending_names_.size();
  if (how == Crash::keep_prefix || how == Crash::random) names = rng_.below(pending_names_.size() + 1);
  std::set<std::shared_ptr<Inode>> inodes;
  for (const auto& [path, inode] : current_.files) inodes.insert(inode);
  for (const auto& [path, inode] : durable_.files) inodes.insert(inode);
  for (const NameChange& change : pending_names_) {
    if (change.inode) inodes.insert(change.inode);
  }
  for (std::size_t i = 0; i < names; ++i) durable_.apply(pending_names_[i]);
  pending_names_.clear();
  // The order of a set of pointers differs between runs, so the choice per inode must come from the paths' order.
  std::vector<std::shared_ptr<Inode>> ordered;
  for (const auto& [path, inode] : durable_.files) ordered.push_back(inode);
  for (const auto& inode : ordered) {
    if (!inodes.erase(inode)) continue;
    const std::size_t prefix = how == Crash::keep_prefix ? rng_.below(inode->pending.size() + 1) : 0;
    for (std::size_t i = 0; i < inode->pending.size(); ++i) {
      const bool keep = how == Crash::keep_all || (how == Crash::keep_prefix && i < prefix) ||
                        (how == Crash::random && rng_.below(2) == 0);
      if (keep) apply(inode->durable, inode->pending[i]);
    }
    inode->pending.clear();
    inode->current = inode->durable;
    inode->reserved = 0;
  }
  current_ = durable_;
  ++generation_;
  powered_ = true;
  power_left_.reset();
  sync_left_.reset();
}

bool SimDisk::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const auto it = current_.files.find(path);
  if (it == current_.files.end() || offset >= it->second->current.size()) return false;
  Inode& inode = *it->second;
  inode.current[offset] = static_cast<char>(inode.current[offset] ^ (1 << bit));
  if (offset < inode.durable.size()) inode.durable[offset] = static_cast<char>(inode.durable[offset] ^ (1 << bit));
  return true;
}

void SimDisk::wipe() {
  current_ = durable_ = Tree{};
  pending_names_.clear();
  ++generation_;
}

std::vector<std::string> SimDisk::files() const {
  std::vector<std::string> paths;
  for (const auto& [path, inode] : current_.files) paths.push_back(path);
  return paths;
}

std::uint64_t SimDisk::file_size(const std::string& path) const {
  const auto it = current_.files.find(path);
  return it == current_.files.end() ? 0 : it->second->current.size();
}

}  // namespace gabion::sim
