// A state that travels to another node arrives whole and equal, or not at all.
#include "metadata/state_transfer.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "metadata/memory_kv.h"
#include "metadata/rocks_state.h"
#include "metadata/rpc.pb.h"
#include "tests/support/sim_network.h"
#include "tests/support/temp_dir.h"

namespace gabion::metadata {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr NodeId kSource{1}, kTarget{2};

// One node's storage: RocksDB in a directory, or memory.
struct Store {
  virtual ~Store() = default;
  virtual StateStorage& storage() = 0;
};

struct RocksStore final : Store {
  RocksStore(const std::string& path, Rng& rng) : disk(PosixDisk::open_root(path).value()) {
    RocksOptions options;
    options.block_cache_bytes = MiB;
    options.write_buffer_bytes = 4 * MiB;
    std::vector<RocksDrives::Place> places;
    places.push_back({disk.get(), path});
    rocks.emplace(std::move(places), options, rng);
  }
  StateStorage& storage() override { return rocks->of(0); }
  std::unique_ptr<PosixDisk> disk;
  std::optional<RocksStates> rocks;
};

void put(KvStore& store, int from, int to, const std::string& text) {
  Changes changes;
  for (int i = from; i < to; ++i) {
    // Hard to compress, so that there are many pieces.
    SeededRng noise(static_cast<std::uint64_t>(i) + text.size());
    std::string value(600, '\0');
    noise.fill(std::as_writable_bytes(std::span(value)));
    changes[static_cast<std::size_t>(Table::objects)]["key" + std::to_string(i)] = text + value;
  }
  REQUIRE(store.write(changes).has_value());
}

std::size_t rows(const KvStore& store) {
  std::size_t n = 0;
  auto it = store.iterate(Table::objects, "");
  for (it->seek(""); it->valid(); it->next()) ++n;
  REQUIRE(it->status().has_value());
  return n;
}

std::string row(const KvStore& store, int i) {
  std::string value;
  REQUIRE(store.get(Table::objects, "key" + std::to_string(i), value, ReadMode::wait).value());
  return value;
}

// Between the network and the source, to spoil what passes.
struct Spoiler final : rpc::Handler {
  rpc::Handler* inner = nullptr;
  std::function<void(rpc::Method, Result<rpc::Reply>&)> spoil;
  int reads = 0;
  std::function<void(int)> before_read;
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override {
    if (method == rpc::Method::snapshot_read && before_read) before_read(reads);
    if (method == rpc::Method::snapshot_read) ++reads;
    auto reply = co_await inner->handle(ctx, peer, method, std::move(header), std::move(payload));
    if (spoil) spoil(method, reply);
    co_return reply;
  }
};

struct Rig {
  Rig() : world(3), network(world) {
    source = std::make_unique<RocksStore>(source_dir.path(), rng);
    open = source->storage().open(0).value();
    // Few tables, as RocksDB would make one of four, in its own time.
    for (int i = 0; i < 2; ++i) {
      put(*open, i * 5000, (i + 1) * 5000, "new ");
      REQUIRE(open->flush().has_value());
    }
    target = std::make_unique<RocksStore>(target_dir.path(), rng);
    {
      auto old = target->storage().open(0).value();
      put(*old, 0, 10, "old ");
      REQUIRE(old->flush().has_value());
    }
    REQUIRE(target->storage().advance(0, 7).has_value());
    start();
  }
  ~Rig() { stop(); }

  void start() {
    StateSource::Options options;
    options.pin = [this](raft::GroupId group) { return pin(group); };
    options.executor = options.background = world.executor();
    options.clock = &world.clock();
    options.rng = &rng;
    answers = std::make_unique<StateSource>(std::move(options));
    spoiler.inner = answers.get();
    network.attach(kSource, world.executor(), nullptr, &spoiler);
    if (!network.attached(kTarget)) network.attach(kTarget, world.executor(), nullptr, nullptr);
  }
  void stop() {
    network.disconnect(kSource);
    if (answers) world.run(answers->stop());
    world.run(network.drained(kSource));
    answers.reset();
  }
  task<void> restart() {
    co_await answers->stop();
    co_await network.drained(kSource);
    start();
  }
  task<Result<PinnedState>> pin(raft::GroupId) {
    PinnedState pinned;
    pinned.index = applied;
    CO_TRY(pinned.state, source->storage().export_open(0));
    co_return pinned;
  }
  StateFetcher fetcher() {
    StateFetcher::Options options;
    options.peers = &network.peers(kTarget);
    options.background = world.executor();
    options.clock = &world.clock();
    options.call = 2s;
    options.patience = 20s;
    return StateFetcher(std::move(options));
  }
  Result<std::uint64_t> fetch(StateImport& import, std::uint64_t index = 100) {
    auto asks = fetcher();
    return world.run(asks.fetch(kSource, 0, index, import));
  }
  // What the target's drive holds now.
  std::string first_row(RocksStore& store) { return row(*store.storage().open(0).value(), 0).substr(0, 4); }
  std::vector<std::string> leftovers(const std::string& root) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root + "/metadata/state")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("incoming") || name.starts_with("outgoing")) names.push_back(name);
    }
    return names;
  }

  sim::SimWorld world;
  sim::SimNetwork network;
  SeededRng rng{17};
  test::TempDir source_dir, target_dir;
  std::uint64_t applied = 120;
  std::unique_ptr<RocksStore> source, target;
  std::shared_ptr<KvStore> open;
  Spoiler spoiler;
  std::unique_ptr<StateSource> answers;
  Gate gate;
};

}  // namespace

TEST_CASE("a state arrives whole, and counts once it is committed") {
  Rig rig;
  auto import = rig.target->storage().import_to(0).value();
  CHECK(rig.target->storage().import_to(0).error().code == Errc::conflict);
  const auto index = rig.fetch(*import);
  REQUIRE(index.has_value());
  CHECK(*index == 120);
  CHECK(rig.answers->pinned() == 0);
  CHECK(rig.leftovers(rig.source_dir.path()).empty());
  CHECK(rig.spoiler.reads > 4);
  {
    auto old = rig.target->storage().open(0).value();
    CHECK(rows(*old) == 10);
    CHECK(import->commit(*index).error().code == Errc::conflict);
  }
  REQUIRE(import->commit(*index).has_value());
  import.reset();
  CHECK(rig.target->storage().mark(0).value()->index == 120);
  CHECK(!rig.target->storage().mark(0).value()->primary);
  auto now = rig.target->storage().open(0).value();
  CHECK(rows(*now) == 10'000);
  CHECK(row(*now, 4711) == row(*rig.open, 4711));
  put(*now, 0, 1, "mine");  // and goes its own way
  REQUIRE(now->flush().has_value());
  CHECK(row(*rig.open, 0).substr(0, 4) == "new ");
  CHECK(rig.leftovers(rig.target_dir.path()).empty());
}

TEST_CASE("what the source does meanwhile is not in the state, and does not disturb it") {
  Rig rig;
  rig.spoiler.before_read = [&](int read) {
    put(*rig.open, read * 10, read * 10 + 10, "later ");
    REQUIRE(rig.open->flush().has_value());
  };
  auto import = rig.target->storage().import_to(0).value();
  REQUIRE(rig.fetch(*import).has_value());
  REQUIRE(import->commit(120).has_value());
  auto now = rig.target->storage().open(0).value();
  CHECK(rows(*now) == 10'000);
  CHECK(row(*now, 0).substr(0, 4) == "new ");
}

TEST_CASE("pieces that arrive damaged or short are asked for again") {
  Rig rig;
  int spoiled = 0;
  rig.spoiler.spoil = [&](rpc::Method method, Result<rpc::Reply>& reply) {
    if (method != rpc::Method::snapshot_read || !reply || reply->payload.empty() || rig.spoiler.reads % 3 != 0) return;
    std::string bytes(reply->payload.text());
    if (rig.spoiler.reads % 2 == 0) bytes.pop_back();
    else bytes[bytes.size() / 2] ^= 1;
    reply->payload = Bytes::copy_of(bytes);
    ++spoiled;
  };
  auto import = rig.target->storage().import_to(0).value();
  REQUIRE(rig.fetch(*import).has_value());
  CHECK(spoiled > 2);
  REQUIRE(import->commit(120).has_value());
  auto now = rig.target->storage().open(0).value();
  CHECK(rows(*now) == 10'000);
  for (int i = 0; i < 10'000; i += 97) CHECK(row(*now, i) == row(*rig.open, i));
}

TEST_CASE("a source that only gives damaged pieces is given up, and the old state stays") {
  Rig rig;
  rig.spoiler.spoil = [&](rpc::Method method, Result<rpc::Reply>& reply) {
    if (method != rpc::Method::snapshot_read || !reply || reply->payload.empty()) return;
    reply->payload = Bytes::copy_of(std::string(reply->payload.size(), 'x'));
  };
  auto import = rig.target->storage().import_to(0).value();
  CHECK(rig.fetch(*import).error().code == Errc::corrupt);
  import.reset();
  CHECK(rig.leftovers(rig.target_dir.path()).empty());
  CHECK(rig.first_row(*rig.target) == "old ");
}

TEST_CASE("a source that comes back begins anew, and tables that are here are not sent again") {
  Rig rig;
  rig.spoiler.before_read = [&](int read) {
    if (read != 6) return;
    rig.spoiler.before_read = nullptr;
    rig.network.disconnect(kSource);
    rig.world.at(rig.world.now_ns() + 3'000'000'000, [&] { spawn(rig.world.executor(), rig.gate, "restart", rig.restart()); });
  };
  auto import = rig.target->storage().import_to(0).value();
  REQUIRE(rig.fetch(*import).has_value());
  const int reads = rig.spoiler.reads;
  REQUIRE(import->commit(120).has_value());
  import.reset();
  CHECK(rows(*rig.target->storage().open(0).value()) == 10'000);
  // A second time, undisturbed and from nothing.
  rig.spoiler.reads = 0;
  auto again = rig.target->storage().import_to(0).value();
  REQUIRE(rig.fetch(*again).has_value());
  INFO(reads << " pieces with the interruption, " << rig.spoiler.reads << " without");
  CHECK(reads > rig.spoiler.reads);
  CHECK(reads < rig.spoiler.reads + 6);
}

TEST_CASE("a source that is gone for good leaves the old state") {
  Rig rig;
  rig.spoiler.before_read = [&](int read) {
    if (read == 5) rig.network.disconnect(kSource);
  };
  auto import = rig.target->storage().import_to(0).value();
  CHECK(!rig.fetch(*import).has_value());
  import.reset();
  CHECK(rig.first_row(*rig.target) == "old ");
}

TEST_CASE("a state that is behind, or that nobody has, is not taken") {
  Rig rig;
  auto import = rig.target->storage().import_to(0).value();
  CHECK(rig.fetch(*import, 121).error().code == Errc::unavailable);
  CHECK(rig.answers->pinned() == 0);
}

TEST_CASE("at any moment of its coming a crash leaves the old state, and nothing of the new") {
  Rig rig;
  int looked = 0;
  rig.spoiler.before_read = [&](int read) {
    const test::TempDir crashed;
    fs::copy(rig.target_dir.path(), crashed.path(), fs::copy_options::recursive);
    RocksStore store(crashed.path(), rig.rng);
    CHECK(store.storage().mark(0).value()->index == 7);
    CHECK(rig.first_row(store) == "old ");
    CHECK(rig.leftovers(crashed.path()).empty());
    ++looked;
  };
  auto import = rig.target->storage().import_to(0).value();
  REQUIRE(rig.fetch(*import).has_value());
  CHECK(looked > 5);
}

TEST_CASE("few states are kept at once, and none for a member that does not ask any more") {
  Rig rig;
  const auto ask = [&](NodeId peer, raft::GroupId group = 0) {
    StateOpenRequest request;
    request.set_group(group);
    std::string header = request.SerializeAsString();
    return rig.world.run(
        rig.answers->handle(Context(), rpc::Peer{peer}, rpc::Method::snapshot_open, std::move(header), Bytes()));
  };
  CHECK(ask(NodeId{}).error().code == Errc::denied);
  REQUIRE(ask(NodeId{2}).has_value());
  REQUIRE(ask(NodeId{3}).has_value());
  CHECK(ask(NodeId{4}).error().code == Errc::exhausted);
  REQUIRE(ask(NodeId{2}).has_value());  // gives up what it had
  CHECK(rig.answers->pinned() == 2);
  rig.world.run_for(62s);
  CHECK(rig.answers->pinned() == 0);
  CHECK(rig.leftovers(rig.source_dir.path()).empty());
  CHECK(ask(NodeId{4}).has_value());
  CHECK(ask(NodeId{4}, 1).has_value());  // of another group beside
  CHECK(rig.answers->pinned() == 2);
}

TEST_CASE("questions that make no sense are refused") {
  Rig rig;
  const auto ask = [&](NodeId peer, rpc::Method method, std::string header) {
    return rig.world.run(rig.answers->handle(Context(), rpc::Peer{peer}, method, std::move(header), Bytes()));
  };
  StateOpenRequest open;
  StateOpenAnswer opened;
  REQUIRE(opened.ParseFromString(ask(kTarget, rpc::Method::snapshot_open, open.SerializeAsString()).value().header));
  StateReadRequest read;
  read.set_lease(opened.lease());
  read.set_length(1);
  CHECK(ask(kTarget, rpc::Method::snapshot_read, read.SerializeAsString()).has_value());
  CHECK(ask(NodeId{9}, rpc::Method::snapshot_read, read.SerializeAsString()).error().code == Errc::not_found);
  read.set_offset(UINT64_MAX);
  CHECK(ask(kTarget, rpc::Method::snapshot_read, read.SerializeAsString()).error().code == Errc::invalid);
  read.set_offset(0);
  read.set_length(UINT32_MAX);
  CHECK(ask(kTarget, rpc::Method::snapshot_read, read.SerializeAsString()).error().code == Errc::invalid);
  read.set_file(UINT32_MAX);
  CHECK(ask(kTarget, rpc::Method::snapshot_read, read.SerializeAsString()).error().code == Errc::invalid);
  CHECK(ask(kTarget, rpc::Method::snapshot_read, "\xff").error().code == Errc::invalid);
  CHECK(ask(kTarget, rpc::Method::heartbeat, "").error().code == Errc::invalid);
}

TEST_CASE("a source that lies about its files is not believed") {
  Rig rig;
  for (const char* name : {"../current", "a/b", "", ".", "..", "two"}) {
    rig.spoiler.spoil = [&](rpc::Method method, Result<rpc::Reply>& reply) {
      if (method != rpc::Method::snapshot_open || !reply) return;
      StateOpenAnswer answer;
      REQUIRE(answer.ParseFromString(reply->header));
      for (int i = 0; i < 2; ++i) answer.add_files()->set_name(name);
      reply->header = answer.SerializeAsString();
    };
    auto import = rig.target->storage().import_to(0).value();
    CHECK(rig.fetch(*import).error().code == Errc::corrupt);
  }
}

TEST_CASE("a state travels between memories, as in the simulation") {
  const auto from = std::make_shared<MemoryImage>(), to = std::make_shared<MemoryImage>();
  MemoryStateStorage source({from}), target({to});
  const auto open = source.open(0).value();
  put(*open, 0, 100, "memory ");
  const auto exported = source.export_open(0).value();
  const auto import = target.import_to(0).value();
  REQUIRE(import->begin(exported->lineage(), exported->files()).has_value());
  REQUIRE(import->write(0, 0, exported->read(0, 0, exported->files()[0].size).value()).has_value());
  REQUIRE(import->finish(0).has_value());
  REQUIRE(import->commit(9).has_value());
  CHECK(target.mark(0).value()->index == 9);
  CHECK(rows(*target.open(0).value()) == 100);
}

}  // namespace gabion::metadata
