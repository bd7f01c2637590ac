#include "gateway/data/placement.h"

#include <algorithm>
#include <map>

#include "common/async.h"
#include "common/log.h"

namespace gabion::gateway::data {

std::size_t Placement::View::up_count() const {
  return static_cast<std::size_t>(
      std::count_if(drives.begin(), drives.end(), [](const Member& m) { return m.state == DriveState::up; }));
}

bool Placement::View::spread(const std::vector<std::optional<std::size_t>>& placed) const {
  if (domain_count < 3) return true;
  std::optional<std::size_t> first;
  for (const auto& drive : placed) {
    if (!drive) continue;
    if (first && domains[*drive] != *first) return true;
    first = domains[*drive];
  }
  return false;
}

std::optional<std::size_t> Placement::View::home(const BlockId& block, unsigned index) const {
  const auto row = ring->row(ring->partition_of(block));
  if (index >= row.size()) return std::nullopt;
  return row[index];
}

std::vector<std::size_t> Placement::View::former_homes(const BlockId& block, unsigned index) const {
  std::vector<std::size_t> out;
  const auto current = home(block, index);
  for (const auto& before : previous) {
    const auto row = before->row(before->partition_of(block));
    if (index >= row.size()) continue;
    const auto drive = find(before->drives()[row[index]].id);
    if (!drive || drive == current || std::find(out.begin(), out.end(), *drive) != out.end()) continue;
    out.push_back(*drive);
  }
  return out;
}

std::size_t Placement::View::drives_lost() const {
  std::set<DriveId> lost;
  for (const auto& before : previous) {
    for (const ring::Drive& drive : before->drives()) {
      const auto here = find(drive.id);
      if (!here || !up(*here)) lost.insert(drive.id);
    }
  }
  return lost.size();
}

unsigned Placement::View::shards_lost(const BlockId& block) const {
  unsigned count = 0;
  for (unsigned index = 0; home(block, index); ++index) {
    const auto works = [&](std::size_t drive) { return up(drive); };
    const auto former = former_homes(block, index);
    bool moved = false;
    for (const auto& before : previous) {
      const auto row = before->row(before->partition_of(block));
      moved = moved || (index < row.size() && before->drives()[row[index]].id != drives[*home(block, index)].id);
    }
    if (moved && std::none_of(former.begin(), former.end(), works)) ++count;
  }
  return count;
}

std::optional<std::size_t> Placement::View::find(const DriveId& id) const {
  for (std::size_t i = 0; i < drives.size(); ++i) {
    if (drives[i].id == id) return i;
  }
  return std::nullopt;
}

Placement::Placement(ring::Ring ring, chunkserver::RingEpochs* epochs)
    : epochs_(epochs), ring_(std::make_shared<const ring::Ring>(std::move(ring))) {
  const std::lock_guard lock(mutex_);
  publish();
}

std::shared_ptr<const Placement::View> Placement::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

namespace {

void number_domains(Placement::View& view) {
  std::map<std::vector<std::string>, std::size_t> numbers;
  std::set<std::size_t> taking;
  for (const ring::Drive& drive : view.ring->drives()) {
    const std::size_t number = numbers.try_emplace(drive.domain, numbers.size()).first->second;
    view.domains.push_back(number);
    if (drive.weight > 0) taking.insert(number);
  }
  view.domains.resize(view.drives.size(), numbers.size());
  view.domain_count = taking.size();
}

}  // namespace

void Placement::publish() {
  auto view = std::make_shared<View>();
  view->ring = ring_;
  view->previous = previous_;
  view->profile = profile_;
  for (const ring::Drive& drive : ring_->drives()) {
    const auto it = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.id == drive.id; });
    view->drives.push_back(it != members_.end() ? *it : Member{drive.id, nullptr, DriveState::missing, "not attached"});
  }
  for (const Member& member : members_) {
    if (!view->find(member.id)) view->drives.push_back(member);
  }
  number_domains(*view);
  view_ = std::move(view);
  if (epochs_ != nullptr) epochs_->act_by(ring_->epoch());
}

void Placement::attach(const DriveId& id, chunkserver::ShardStore& store) {
  const std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const Member& m) { return m.id == id; });
  members_.push_back({id, &store, DriveState::up, {}});
  publish();
}

void Placement::detach(const DriveId& id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const Member& m) { return m.id == id; });
  publish();
}

void Placement::mark_failed(const DriveId& id, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.id == id; });
    if (it == members_.end() || it->state == DriveState::failed) return;
    it->state = DriveState::failed;
    it->reason = reason;
    publish();
  }
  LOG(warn, "data", "drive failed: its shards are read from the others and written elsewhere",
      field("drive", id.to_hex()), field("reason", reason));
}

void Placement::update(Layout layout) {
  std::vector<std::shared_ptr<const ring::Ring>> previous;
  for (ring::Ring& ring : layout.previous) previous.push_back(std::make_shared<const ring::Ring>(std::move(ring)));
  auto ring = std::make_shared<const ring::Ring>(std::move(layout.ring));
  const std::lock_guard lock(mutex_);
  if (ring->epoch() < ring_->epoch()) return;
  std::vector<Member> members;
  for (const Layout::Drive& drive : layout.drives) {
    if (drive.store == nullptr) continue;
    const auto known = std::find_if(members_.begin(), members_.end(),
                                    [&](const Member& m) { return m.id == drive.id && m.store == drive.store; });
    members.push_back(known != members_.end() ? *known : Member{drive.id, drive.store, DriveState::up, {}});
  }
  members_ = std::move(members);
  ring_ = std::move(ring);
  previous_ = std::move(previous);
  profile_ = layout.profile;
  publish();
}

task<bool> Placement::refresh(Context ctx) {
  const auto back = co_await ask(ctx, false);
  co_return std::find(back.begin(), back.end(), true) != back.end();
}

task<bool> Placement::refresh_failed(Context ctx) {
  const auto back = co_await ask(ctx, true);
  co_return std::find(back.begin(), back.end(), true) != back.end();
}

task<std::vector<bool>> Placement::ask(Context ctx, bool failed_only) {
  const auto before = view();
  std::vector<task<bool>> asked;
  for (const Member& member : before->drives) {
    if (member.store == nullptr || (failed_only && member.state != DriveState::failed)) continue;
    asked.push_back(ask_one(ctx, member));
  }
  return gather(std::move(asked));
}

// Whether the drive came back.
task<bool> Placement::ask_one(Context ctx, Member member) {
  const auto status = co_await member.store->status(ctx);
  if (!status || status->health != chunkserver::DriveHealth::up) {
    mark_failed(member.id, status ? status->reason : status.error().message);
    co_return false;
  }
  if (member.state != DriveState::failed) co_return false;
  {
    const std::lock_guard lock(mutex_);
    const auto it = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.id == member.id; });
    if (it == members_.end() || it->store != member.store || it->state != DriveState::failed) co_return false;
    it->state = DriveState::up;
    it->reason.clear();
    publish();
  }
  LOG(info, "data", "drive is back", field("drive", member.id.to_hex()));
  co_return true;
}

// --- Targets ---

Targets::Targets(std::shared_ptr<const Placement::View> view, const BlockRef& block)
    : view_(std::move(view)),
      layout_(block),
      block_(block.id),
      held_(view_->drives.size(), 0),
      held_in_(view_->drives.size() + 1, 0),
      home_(view_->drives.size(), false),
      refused_(view_->drives.size(), false) {
  for (unsigned i = 0; i < layout_.shards(); ++i) {
    if (const auto home = view_->home(block_, i)) home_[*home] = true;
  }
}

std::optional<std::size_t> Targets::assign(unsigned shard) {
  const auto usable = [&](std::size_t d) { return view_->up(d) && !refused_[d] && !(layout_.copies() && held_[d] > 0); };
  const auto home = view_->home(block_, shard);
  std::optional<std::size_t> best;
  if (home && usable(*home)) {
    best = home;
  } else {
    // Begins at a drive that the block's id chooses, so that handoffs of many blocks spread over all drives.
    const std::size_t count = view_->drives.size();
    const std::size_t first = count == 0 ? 0 : (std::hash<BlockId>{}(block_) + shard) % count;
    const auto rank = [&](std::size_t d) {
      return std::tuple(held_[d], held_in_[view_->domains[d]], static_cast<bool>(home_[d]));
    };
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t d = (first + i) % count;
      if (!view_->takes_shards(d) || !usable(d)) continue;
      if (!best || rank(d) < rank(*best)) best = d;
    }
  }
  if (best) hold(*best);
  return best;
}

void Targets::hold(std::size_t drive) {
  ++held_[drive];
  ++held_in_[view_->domains[drive]];
}

void Targets::refuse(unsigned, std::size_t drive) {
  --held_[drive];
  --held_in_[view_->domains[drive]];
  refused_[drive] = true;
}

bool Targets::safe(const BlockLayout& layout, const std::vector<std::optional<std::size_t>>& placed,
                   std::size_t drives) {
  std::vector<unsigned> held(drives, 0);
  unsigned total = 0;
  for (const auto& drive : placed) {
    if (!drive) continue;
    ++held[*drive];
    ++total;
  }
  const bool can_lose_one = layout.shards() > layout.needed() && drives > 1;
  const unsigned most = can_lose_one ? *std::max_element(held.begin(), held.end()) : 0;
  return total >= layout.needed() + most;
}

std::size_t Targets::drives_needed(const BlockLayout& layout, std::size_t drives) {
  const unsigned spare = layout.shards() - layout.needed();
  if (spare == 0 || drives <= 1) return 1;
  return (layout.shards() + spare - 1) / spare;
}

}  // namespace gabion::gateway::data
