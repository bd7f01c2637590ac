// A group that is divided on real drives, in RocksDB: what lies where, restarts, and lost drives.
#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <fstream>
#include <thread>

#include "metadata/rocks_state.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {
namespace {

using namespace std::chrono_literals;

constexpr GroupId kChild = 1;

struct Halves {
  Halves() {
    bucket = subject.commit(create_bucket("bucket")).bucket().id();
    for (int i = 0; i < 100; ++i) subject.commit(put(bucket, key(i), "value" + std::to_string(i)));
  }
  static std::string key(int i) { return "key" + std::to_string(1000 + i); }
  void split() {
    Command command;
    std::string at;
    append_be64(at, bucket);
    command.mutable_split_range()->set_at(at + key(50));
    command.mutable_split_range()->set_child(kChild);
    CHECK(subject.commit(command).outcome() == APPLIED);
  }
  LocalGroup& child() {
    LocalGroup* found = subject.node().find(kChild);
    for (int i = 0; i < 1000 && (found == nullptr || !found->raft().status().leads); ++i) {
      std::this_thread::sleep_for(10ms);
      found = subject.node().find(kChild);
    }
    REQUIRE(found != nullptr);
    return *found;
  }
  std::string read(LocalGroup& from, int i) {
    const auto object = subject.run(from.object(Context(), bucket, key(i), Metadata::With::manifest));
    return object ? object->manifest.inline_data() : std::string(to_string(object.error().code));
  }
  void check() {
    for (const int i : {0, 49}) CHECK(read(subject.node().root(), i) == "value" + std::to_string(i));
    for (const int i : {50, 99}) CHECK(read(child(), i) == "value" + std::to_string(i));
    CHECK(read(subject.node().root(), 50) == to_string(Errc::moved));
    CHECK(read(child(), 49) == to_string(Errc::moved));
  }
  bool has_child(std::size_t drive) {
    return std::filesystem::exists(subject.root(drive) + "/metadata/groups/" + std::to_string(kChild) + "/current");
  }

  RealSubject subject;
  BucketId bucket = 0;
};

}  // namespace

TEST_CASE("a group that is split off has a state of its own on each drive, and is there after restarts") {
  Halves halves;
  halves.split();
  halves.check();
  halves.subject.reopen();
  for (std::size_t drive = 0; drive < 3; ++drive) CHECK(halves.has_child(drive));
  halves.check();
  halves.subject.reopen();
  halves.check();
}

TEST_CASE("a state that is split off takes the place of no other, and a copy that is not wanted any more of none") {
  gabion::test::TempDir dir;
  SeededRng rng(3);
  std::vector<std::unique_ptr<PosixDisk>> disks;
  std::vector<RocksDrives::Place> places;
  for (const char* const name : {"/one", "/two"}) {
    std::filesystem::create_directories(dir.path() + name);
    disks.push_back(PosixDisk::open_root(dir.path() + name).value());
    places.push_back({disks.back().get(), dir.path() + name});
  }
  RocksStates states(std::move(places), {}, rng);
  StateStorage& parent = states.of(0);
  StateStorage& child = states.of(kChild);
  const auto open = parent.open(0).value();
  int made = 0;
  const auto change = [&made](KvStore&) { return ++made, Result<void>(); };
  CHECK(parent.split_off(0, child, change, 2).value());
  CHECK(!parent.split_off(0, child, change, 2).value());
  {
    const auto later = child.open(0).value();
    CHECK(!parent.split_off(0, child, change, 3).value());
    REQUIRE(later->flush().has_value());
    REQUIRE(child.advance(0, 7).has_value());
  }
  CHECK(!parent.split_off(0, child, change, 2).value());
  CHECK(made == 1);
  CHECK(child.mark(0).value()->index == 7);

  CHECK(parent.copy(0, {1}, 5, [] { return true; }).front().has_value());
  CHECK(parent.copy(0, {1}, 6, [] { return false; }).front().error().code == Errc::conflict);
  CHECK(parent.mark(1).value()->index == 5);
}

TEST_CASE("what an interrupted split left on the drive is in nobody's way") {
  Halves halves;
  for (std::size_t drive = 0; drive < 3; ++drive) {
    const std::string left = halves.subject.root(drive) + "/metadata/groups/1/scratch";
    std::filesystem::create_directories(left);
    std::ofstream(left + "/CURRENT") << "nothing";
  }
  halves.split();
  halves.check();
}

TEST_CASE("both groups go on from other drives when the drive of their states is lost") {
  Halves halves;
  halves.split();
  halves.check();
  halves.subject.drive(halves.subject.node().checkpoint());
  std::size_t first = 0;
  const auto status = halves.subject.node().status();
  while (!status.state[first].primary) ++first;
  REQUIRE(halves.subject.run(halves.subject.node().fail_drive(halves.subject.drive_id(first), "it was pulled out")).has_value());
  halves.check();
  halves.subject.stop();
  halves.subject.wipe(first);
  halves.subject.open(false);
  halves.check();
}

}  // namespace gabion::metadata::test
