#include "tests/sim/raft/split_machine.h"

#include <algorithm>

#include "common/check.h"

namespace gabion::metadata::test {

using namespace std::chrono_literals;

SplitMachine::SplitMachine(NodeId id, sim::SimWorld& world, sim::SimNetwork& network, Rng& choices, Options options)
    : id_(id), world_(world), network_(network), options_(std::move(options)), rng_(choices.next()), processor_(world),
      background_(world) {
  for (std::size_t i = 0; i < options_.drives; ++i) {
    threads_.push_back(std::make_unique<sim::SimThread>(world));
    disks_.push_back(std::make_unique<sim::SimDisk>(rng_));
    drive_ids_.push_back(DriveId::random(rng_));
    (*images_)[kRootGroup].push_back(std::make_shared<MemoryImage>());
  }
}

LocalMetadataOptions SplitMachine::metadata_options(Life& life) {
  StateFetcher::Options fetch;
  fetch.peers = &network_.peers(id_);
  fetch.background = processor_.executor();
  fetch.clock = &world_.clock();
  fetch.call = 1s;
  fetch.patience = 5s;
  fetch.cancelled = [&life] { return life.dead; };
  life.fetcher = std::make_unique<StateFetcher>(std::move(fetch));
  LocalMetadataOptions options;
  options.self = id_;
  options.founders = options_.founders;
  options.transport = &network_.transport(id_);
  options.fetch = life.fetcher.get();
  options.timing.tick = 20ms;
  options.timing.heartbeat = 60ms;
  options.timing.election = 300ms;
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    options.drives.emplace_back(drive_ids_[i], disks_[i].get(), "", threads_[i]->executor());
  }
  options.commit = options.readers = processor_.executor();
  options.background = background_.executor();
  options.clock = &world_.clock();
  options.rng = &rng_;
  options.metrics = &metrics_;
  options.exists = options_.exists;
  options.start_of = options_.start_of;
  options.allow_new = new_;
  options.checkpoint_log_bytes = options_.checkpoint_log_bytes;
  options.entry_memory_bytes = options_.entry_memory_bytes;
  options.log_segment_bytes = 8 * KiB;
  auto states = std::make_unique<MemoryStates>(images_);
  states_ = states.get();
  options.states = std::move(states);
  return options;
}

void SplitMachine::open_source(Life& life) {
  StateSource::Options source;
  source.pin = [&life](GroupId group) { return life.metadata->pin(group); };
  source.executor = source.background = processor_.executor();
  source.clock = &world_.clock();
  source.rng = &rng_;
  life.source = std::make_unique<StateSource>(std::move(source));
  const auto receive = [metadata = life.metadata.get()](NodeId from, GroupId group, std::string message) {
    metadata->receive(from, group, std::move(message));
  };
  network_.attach(id_, processor_.executor(), receive, life.source.get());
}

task<Result<void>> SplitMachine::start() {
  GABION_CHECK(off(), "a machine is started twice");
  life_ = std::make_shared<Life>();
  const auto life = life_;
  life->work.enter();
  auto opened = co_await LocalMetadata::open(metadata_options(*life));
  Result<void> result;
  if (opened) {
    life->metadata = *std::move(opened);
    new_ = false;
    if (!life->dead) {
      open_source(*life);
      life->up = true;
    }
  } else if (!life->dead) {
    life->dead = true;
    result = opened.error();
    life_.reset();
  }
  life->work.leave();
  co_return result;
}

task<void> SplitMachine::stop() {
  const auto life = life_;
  life->up = false;
  life->stopping = true;
  co_await life->work.close();
  co_await life->metadata->hand_over(1s);
  co_await life->metadata->stop();
  network_.disconnect(id_);
  co_await life->source->stop();
  co_await network_.drained(id_);
  life->metadata.reset();
  if (power_lost()) lose_power(sim::Crash::random);
  life_.reset();
}

void SplitMachine::lose_power(sim::Crash how) {
  for (auto& disk : disks_) disk->crash(how);
  for (auto& [group, images] : *images_) {
    for (auto& image : images) image->crash();
  }
}

void SplitMachine::cut() {
  if (!alive()) return;
  life_->dead = true;
  network_.disconnect(id_);
  for (auto& disk : disks_) {
    disk->cut_power_after(0);
    static_cast<void>(disk->sync_dir(""));  // the operation that the power cut hits
  }
  for (auto& [group, images] : *images_) {
    for (auto& image : images) image->failed = true;
  }
}

task<void> SplitMachine::bury(sim::Crash how) {
  const auto life = life_;
  GABION_CHECK(life && life->dead, "only the dead are buried");
  co_await life->work.close();
  if (life->metadata) co_await life->metadata->stop();
  if (life->source) co_await life->source->stop();
  co_await network_.drained(id_);
  life->metadata.reset();
  lose_power(how);
  life_.reset();
}

MemoryImage& SplitMachine::image(GroupId group, std::size_t drive) {
  auto& images = (*images_)[group];
  while (images.size() < disks_.size()) images.push_back(std::make_shared<MemoryImage>());
  return *images[drive];
}

bool SplitMachine::power_lost() const {
  return alive() && std::any_of(disks_.begin(), disks_.end(), [](const auto& disk) { return !disk->powered(); });
}

std::string SplitMachine::dump(GroupId group) {
  const auto store = life() ? states_->of(group).opened() : nullptr;
  return store ? store->dump() : std::string();
}

}  // namespace gabion::metadata::test
