#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"
#include "tools/serve/drives.h"
#include "tools/serve/secrets.h"

namespace gabion::serve {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr erasure::Profile kProfile{.data = 2, .parity = 1};

class Directories {
 public:
  explicit Directories(int count, std::uint64_t seed = 1) : rng_(seed) {
    for (int i = 1; i <= count; ++i) config.drives.push_back(add("d" + std::to_string(i)));
  }
  std::string add(const std::string& name) {
    const std::string path = dir_.path() + "/" + name;
    std::filesystem::create_directory(path);
    return path;
  }
  Result<DriveSet> open() { return open_drives(config, kProfile, make_new_cluster(rng_), clock_, rng_); }
  // Makes the cluster to its end; false when that failed.
  bool create() {
    const auto set = open();
    if (!set) return false;
    std::vector<Disk*> disks;
    for (const OpenDrive& drive : set->drives) disks.push_back(drive.disk.get());
    return mark_complete(disks).has_value();
  }
  Config config;

 private:
  const test::TempDir dir_;
  RealClock clock_;
  SeededRng rng_;
};

void wipe(const std::string& path) {
  for (const auto& entry : std::filesystem::directory_iterator(path)) std::filesystem::remove_all(entry);
}

TEST_CASE("empty directories become a cluster whose metadata is on parity+1 drives, and stay one") {
  Directories dirs(3);
  ClusterId cluster;
  {
    const auto set = dirs.open();
    REQUIRE(set.has_value());
    CHECK(set->fresh);
    cluster = set->cluster;
    int metadata = 0;
    for (const OpenDrive& drive : set->drives) metadata += drive.identity.metadata ? 1 : 0;
    CHECK(metadata == 2);
    CHECK_THAT(dirs.open().error().message, ContainsSubstring("in use by another process"));
  }
  {
    const auto interrupted = dirs.open();
    REQUIRE(interrupted.has_value());
    CHECK(interrupted->fresh);
    CHECK(interrupted->cluster == cluster);
  }
  REQUIRE(dirs.create());
  const auto again = dirs.open();
  REQUIRE(again.has_value());
  CHECK_FALSE(again->fresh);
  CHECK(again->cluster == cluster);
  CHECK(again->drives.size() == 3);
}

TEST_CASE("a missing, wiped or damaged drive is left out, never formatted unasked") {
  Directories dirs(3);
  REQUIRE(dirs.create());
  wipe(dirs.config.drives[1]);
  {
    const auto set = dirs.open();
    REQUIRE(set.has_value());
    CHECK(set->drives.size() == 2);
    CHECK(set->replacements.empty());
    CHECK(std::filesystem::is_empty(dirs.config.drives[1]));
  }
  std::filesystem::remove(dirs.config.drives[1]);
  CHECK(dirs.open()->drives.size() == 2);
  std::filesystem::create_directory(dirs.config.drives[1]);
  std::ofstream(dirs.config.drives[1] + "/leftover") << "written after the wipe";
  CHECK(dirs.open()->drives.size() == 2);
  CHECK(std::filesystem::exists(dirs.config.drives[1] + "/leftover"));
  std::ofstream(dirs.config.drives[0] + "/gabion.drive", std::ios::app) << "junk";
  CHECK(dirs.open()->drives.size() == 1);
}

TEST_CASE("an empty directory named as a replacement is offered as one") {
  Directories dirs(3);
  REQUIRE(dirs.create());
  wipe(dirs.config.drives[2]);
  dirs.config.replace = {dirs.config.drives[2]};
  const auto set = dirs.open();
  REQUIRE(set.has_value());
  CHECK(set->drives.size() == 2);
  REQUIRE(set->replacements.size() == 1);
  CHECK(set->replacements[0].position == 2);
}

TEST_CASE("what cannot be drives of one cluster is refused with one line that names it") {
  Directories dirs(2);
  std::ofstream(dirs.config.drives[0] + "/holiday.jpg") << "x";
  CHECK_THAT(dirs.open().error().message, ContainsSubstring("d1") && ContainsSubstring("not empty"));
  std::filesystem::remove(dirs.config.drives[0] + "/holiday.jpg");
  dirs.config.drives.push_back(dirs.config.drives[0] + "/absent");
  CHECK_THAT(dirs.open().error().message, ContainsSubstring("absent"));
  dirs.config.drives.pop_back();
  REQUIRE(dirs.create());

  Directories other(2, 2);
  REQUIRE(other.create());
  dirs.config.drives[1] = other.config.drives[1];
  CHECK_THAT(dirs.open().error().message, ContainsSubstring("belongs to cluster"));
  dirs.config.replace = {"/elsewhere"};
  CHECK_THAT(dirs.open().error().message, ContainsSubstring("--replace must name one of the drives"));
}

TEST_CASE("what an interrupted attempt left becomes a drive after all; one that was in use does not") {
  const test::TempDir dir;
  RealClock clock;
  SeededRng rng(5);
  const ClusterId cluster = ClusterId::random(rng);
  DriveId begun;
  std::ofstream(dir.path() + "/membership") << "of a node that did not know yet that its drive was wiped";
  {
    auto drive = find_new_drive(dir.path(), 3, cluster);
    REQUIRE(drive.has_value());
    REQUIRE(make_drive(*drive, cluster, true, clock, rng).has_value());
    REQUIRE(mark_complete({drive->disk.get()}).has_value());
    begun = drive->identity.drive;
  }
  auto again = find_new_drive(dir.path(), 3, cluster);
  REQUIRE(again.has_value());
  CHECK(again->identity.drive == begun);
  CHECK(again->identity.metadata);
  CHECK_THAT(find_new_drive(dir.path(), 3, ClusterId::random(rng)).error().message, ContainsSubstring("another cluster"));
  std::filesystem::create_directory(dir.path() + "/metadata");
  CHECK_THAT(find_new_drive(dir.path(), 3, cluster).error().message, ContainsSubstring("was in use"));
  std::filesystem::remove(dir.path() + "/metadata");
  std::ofstream(dir.path() + "/segments/1.seg") << "records";
  CHECK_THAT(find_new_drive(dir.path(), 3, cluster).error().message, ContainsSubstring("was in use"));
}

TEST_CASE("secrets are generated once, kept private on the drives, and never made anew for data that exists") {
  const test::TempDir dir;
  auto disk = PosixDisk::open_root(dir.path());
  std::vector<Disk*> drives{disk->get()};
  SeededRng rng(4);
  const auto none = [](const char*) -> const char* { return nullptr; };
  CHECK_THAT(load_secrets(drives, false, rng, none).error().message, ContainsSubstring("GABION_ROOT_ACCESS_KEY"));
  const auto made = load_secrets(drives, true, rng, none);
  REQUIRE(made.has_value());
  CHECK(made->credentials_on_drives);
  CHECK(made->secret_key.size() == 40);
  for (const char* file : {kCredentialsFile, kMasterKeyFile}) {
    const auto mode = std::filesystem::status(dir.path() + "/" + file).permissions();
    CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  }
  const test::TempDir other;
  const auto replaced = *PosixDisk::open_root(other.path());
  REQUIRE(copy_secrets(*replaced, *made).has_value());
  drives = {replaced.get()};
  const auto again = load_secrets(drives, false, rng, none);
  REQUIRE(again.has_value());
  CHECK(again->secret_key == made->secret_key);
  CHECK(as_text(again->master_key.view()) == as_text(made->master_key.view()));
}

TEST_CASE("secrets from the environment win, and half of them is an error") {
  const test::TempDir dir;
  auto disk = PosixDisk::open_root(dir.path());
  std::vector<Disk*> drives{disk->get()};
  SeededRng rng(4);
  std::ofstream(dir.path() + "/secret") << "correct horse battery\n";
  std::map<std::string, std::string> env{{"GABION_ROOT_ACCESS_KEY", "root"}};
  const auto get = [&](const char* name) -> const char* {
    const auto it = env.find(name);
    return it == env.end() ? nullptr : it->second.c_str();
  };
  CHECK_THAT(load_secrets(drives, true, rng, get).error().message, ContainsSubstring("together"));
  env["GABION_ROOT_SECRET_KEY_FILE"] = dir.path() + "/secret";
  const auto secrets = load_secrets(drives, true, rng, get);
  REQUIRE(secrets.has_value());
  CHECK(secrets->access_key == "root");
  CHECK(secrets->secret_key == "correct horse battery");
  CHECK_FALSE(secrets->credentials_on_drives);
  env["GABION_MASTER_KEY"] = "abc";
  CHECK_THAT(load_secrets(drives, true, rng, get).error().message, ContainsSubstring("64 hexadecimal digits"));
}

}  // namespace
}  // namespace gabion::serve
