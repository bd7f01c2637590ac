// One contract for the stores under the state machine.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "metadata/memory_kv.h"
#include "metadata/rocks_kv.h"
#include "tests/support/temp_dir.h"

namespace gabion::metadata {
namespace {

struct Stores {
  gabion::test::TempDir dir;
  std::unique_ptr<PosixDisk> disk = PosixDisk::open_root(dir.path()).value();
  std::shared_ptr<MemoryImage> image = std::make_shared<MemoryImage>();
  std::unique_ptr<KvStore> open(bool real) {
    if (!real) return std::make_unique<MemoryKv>(image);
    auto ballast = std::make_shared<Ballast>(*disk, "ballast", MiB);
    return RocksKv::open(dir.path() + "/db", RocksMemory(RocksOptions()), std::move(ballast)).value();
  }
};

void put(Changes& changes, Table table, const std::string& key, const std::string& value) {
  changes[static_cast<std::size_t>(table)][key] = value;
}
void erase(Changes& changes, Table table, const std::string& key) {
  changes[static_cast<std::size_t>(table)][key] = std::nullopt;
}
std::optional<std::string> get(const KvStore& store, Table table, const std::string& key) {
  std::string value;
  return store.get(table, key, value, ReadMode::wait).value() ? std::optional(value) : std::nullopt;
}
std::string keys_of(KvIterator& rows, const std::string& from) {
  std::string out;
  for (rows.seek(from); rows.valid(); rows.next()) out += std::string(rows.key()) + "=" + std::string(rows.value()) + " ";
  REQUIRE(rows.status().has_value());
  return out;
}

}  // namespace

TEST_CASE("a store gives back what a batch put, in each table by itself") {
  Stores stores;
  const auto store = stores.open(GENERATE(false, true));
  Changes changes;
  put(changes, Table::objects, "a", "1");
  put(changes, Table::other, "a", "2");
  put(changes, Table::journal, std::string("\0x", 2), std::string("\0", 1));
  REQUIRE(store->write(changes).has_value());
  CHECK(get(*store, Table::objects, "a") == "1");
  CHECK(get(*store, Table::other, "a") == "2");
  CHECK(get(*store, Table::manifests, "a") == std::nullopt);
  CHECK(get(*store, Table::journal, std::string("\0x", 2)) == std::string("\0", 1));
  Changes next;
  erase(next, Table::objects, "a");
  put(next, Table::other, "a", "3");
  REQUIRE(store->write(next).has_value());
  CHECK(get(*store, Table::objects, "a") == std::nullopt);
  CHECK(get(*store, Table::other, "a") == "3");
}

TEST_CASE("a scan goes in byte order from its start to its bound and sees the moment it began") {
  Stores stores;
  const auto store = stores.open(GENERATE(false, true));
  Changes changes;
  for (const char* key : {"b", "a", "c\xff", "c", "d"}) put(changes, Table::objects, key, "1");
  REQUIRE(store->write(changes).has_value());
  const auto bounded = store->iterate(Table::objects, "d");
  const auto all = store->iterate(Table::objects, "");
  Changes later;
  put(later, Table::objects, "bb", "2");
  erase(later, Table::objects, "c");
  REQUIRE(store->write(later).has_value());
  CHECK(keys_of(*bounded, "b") == "b=1 c=1 c\xff=1 ");
  CHECK(keys_of(*all, "") == "a=1 b=1 c=1 c\xff=1 d=1 ");
  CHECK(keys_of(*all, "e").empty());
  CHECK(keys_of(*store->iterate(Table::objects, ""), "b") == "b=1 bb=2 c\xff=1 d=1 ");
}

TEST_CASE("what was flushed is there after the store was dropped, and later batches are there as a whole or not at all") {
  Stores stores;
  const bool real = GENERATE(false, true);
  {
    const auto store = stores.open(real);
    Changes changes;
    put(changes, Table::objects, "kept", "1");
    REQUIRE(store->write(changes).has_value());
    REQUIRE(store->flush().has_value());
    Changes later;
    put(later, Table::objects, "late", "1");
    put(later, Table::manifests, "late", "1");
    REQUIRE(store->write(later).has_value());
  }
  const auto store = stores.open(real);
  CHECK(get(*store, Table::objects, "kept") == "1");
  CHECK(get(*store, Table::objects, "late") == get(*store, Table::manifests, "late"));
}

TEST_CASE("what is in memory is found without waiting") {
  Stores stores;
  const auto store = stores.open(GENERATE(false, true));
  Changes changes;
  put(changes, Table::objects, "a", "1");
  REQUIRE(store->write(changes).has_value());
  std::string value;
  CHECK(store->get(Table::objects, "a", value, ReadMode::cached_only).value());
  CHECK(value == "1");
}

TEST_CASE("a cold key asks the caller to wait") {
  Stores stores;
  {
    const auto store = stores.open(true);
    Changes changes;
    put(changes, Table::objects, "a", "1");
    REQUIRE(store->write(changes).has_value());
    REQUIRE(store->flush().has_value());
  }
  const auto store = stores.open(true);
  std::string value;
  const auto cold = store->get(Table::objects, "a", value, ReadMode::cached_only);
  REQUIRE(!cold.has_value());
  CHECK(cold.error().code == Errc::would_block);
  CHECK(store->get(Table::objects, "a", value, ReadMode::wait).value());
  CHECK(store->get(Table::objects, "a", value, ReadMode::cached_only).value());
}

}  // namespace gabion::metadata
