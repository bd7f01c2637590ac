#include "tests/unit/chunkserver/shard_store_contract.h"

#include <catch2/catch_test_macros.hpp>

#include "common/async.h"

namespace gabion::chunkserver::test {
namespace {

class Contract {
 public:
  explicit Contract(const StoreFactory& make) : under_test_(make()) {}

  Result<void> put(ShardKey key, const std::string& text) { return put(key, {Bytes::copy_of(text)}); }
  Result<void> put(ShardKey key, std::vector<Bytes> pieces) { return under_test_->run(store().put({}, key, std::move(pieces))); }
  Result<Bytes> read(ShardKey key, std::uint32_t offset = 0, std::uint32_t length = 0) {
    return under_test_->run(store().read({}, key, offset, length));
  }
  Result<void> remove(std::vector<ShardKey> keys) { return under_test_->run(store().remove({}, std::move(keys))); }
  Result<ShardInfo> stat(ShardKey key) { return under_test_->run(store().stat({}, key)); }
  Result<ShardPage> list(ShardKey from, std::size_t limit) { return under_test_->run(store().list({}, from, limit)); }
  DriveStatus status() {
    auto status = under_test_->run(store().status({}));
    REQUIRE(status.has_value());
    return *status;
  }
  ShardStore& store() { return under_test_->store(); }
  StoreUnderTest& under_test() { return *under_test_; }

  void require_put(ShardKey key, const std::string& text) {
    const auto stored = put(key, text);
    INFO((stored.has_error() ? stored.error().message : ""));
    REQUIRE(stored.has_value());
  }
  void check_text(ShardKey key, const std::string& text) {
    const auto bytes = read(key);
    INFO((bytes.has_error() ? bytes.error().message : ""));
    REQUIRE(bytes.has_value());
    CHECK(bytes->text() == text);
  }
  void check_missing(ShardKey key) {
    const auto bytes = read(key);
    REQUIRE(bytes.has_error());
    CHECK(bytes.error().code == Errc::not_found);
  }

 private:
  std::unique_ptr<StoreUnderTest> under_test_;
};

Errc code_of(const auto& result) { return result ? Errc::internal : result.error().code; }

void check_put_and_read(const StoreFactory& make) {
  SECTION("what was put is read, whole, for sizes around every boundary") {
    Contract contract(make);
    std::uint64_t number = 0;
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, kCellBytes - 1, kCellBytes, kCellBytes + 1,
                                   3 * kCellBytes, 2 * MiB, kShardBytesMax}) {
      const ShardKey key = key_of(++number);
      contract.require_put(key, pattern(number, size));
      contract.check_text(key, pattern(number, size));
      const auto info = contract.stat(key);
      REQUIRE(info.has_value());
      CHECK(info->length == size);
      CHECK(info->key == key);
    }
  }
  SECTION("an empty shard is a shard") {
    Contract contract(make);
    REQUIRE(contract.put(key_of(1), std::vector<Bytes>{}).has_value());
    contract.check_text(key_of(1), "");
  }
  SECTION("pieces are concatenated, however they are cut") {
    Contract contract(make);
    const std::string text = pattern(5, 2 * kCellBytes + 100);
    const Bytes all = Bytes::copy_of(text);
    const std::vector<Bytes> pieces = {all.slice(0, 10), Bytes(), all.slice(10, kCellBytes), all.slice(10 + kCellBytes, 1),
                                       all.slice(11 + kCellBytes, text.size() - 11 - kCellBytes)};
    REQUIRE(contract.put(key_of(1), pieces).has_value());
    contract.check_text(key_of(1), text);
  }
  SECTION("a shard over the limit is refused") {
    Contract contract(make);
    CHECK(code_of(contract.put(key_of(1), std::string(kShardBytesMax + 1, 'x'))) == Errc::too_large);
    contract.check_missing(key_of(1));
  }
  SECTION("shards of one block with different indexes are different shards") {
    Contract contract(make);
    contract.require_put(key_of(1, 0), "zero");
    contract.require_put(key_of(1, 5), "five");
    contract.check_text(key_of(1, 0), "zero");
    contract.check_text(key_of(1, 5), "five");
    contract.check_missing(key_of(1, 1));
  }
}

void check_ranges(const StoreFactory& make) {
  SECTION("a range reads just its bytes, and one outside the shard is invalid") {
    Contract contract(make);
    const std::string text = pattern(9, 3 * kCellBytes + 77);
    contract.require_put(key_of(1), text);
    const std::pair<std::size_t, std::size_t> ranges[] = {
        {0, 1}, {0, kCellBytes}, {kCellBytes, kCellBytes}, {kCellBytes - 1, 2}, {2 * kCellBytes + 5, kCellBytes},
        {3 * kCellBytes, 77}, {text.size() - 1, 1}, {1, text.size() - 1}};
    for (const auto& [offset, length] : ranges) {
      const auto bytes = contract.read(key_of(1), static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(length));
      REQUIRE(bytes.has_value());
      CHECK(bytes->text() == std::string_view(text).substr(offset, length));
    }
    const auto rest = contract.read(key_of(1), 100, 0);
    REQUIRE(rest.has_value());
    CHECK(rest->text() == std::string_view(text).substr(100));
    const auto size = static_cast<std::uint32_t>(text.size());
    CHECK(code_of(contract.read(key_of(1), size, 1)) == Errc::invalid);
    CHECK(code_of(contract.read(key_of(1), size + 1, 0)) == Errc::invalid);
    CHECK(code_of(contract.read(key_of(1), 1, UINT32_MAX)) == Errc::invalid);
  }
}

void check_replace_and_remove(const StoreFactory& make) {
  SECTION("a put of an existing key replaces it") {
    Contract contract(make);
    contract.require_put(key_of(1), "old");
    contract.require_put(key_of(1), "old");
    contract.require_put(key_of(1), "newer and longer");
    contract.check_text(key_of(1), "newer and longer");
    CHECK(contract.status().shards == 1);
    CHECK(contract.status().shard_bytes == 16);
  }
  SECTION("a removed shard is gone, a key that never was is no error, and a removed key can be put again") {
    Contract contract(make);
    contract.require_put(key_of(1), "one");
    contract.require_put(key_of(2), "two");
    REQUIRE(contract.remove({key_of(1), key_of(77), key_of(1)}).has_value());
    contract.check_missing(key_of(1));
    CHECK(code_of(contract.stat(key_of(1))) == Errc::not_found);
    contract.check_text(key_of(2), "two");
    CHECK(contract.status().shards == 1);
    contract.require_put(key_of(1), "again");
    contract.check_text(key_of(1), "again");
    REQUIRE(contract.remove({}).has_value());
  }
}

void check_list(const StoreFactory& make) {
  SECTION("list is in key order, page by page, with the lengths") {
    Contract contract(make);
    for (const std::uint64_t number : {5, 1, 9, 3, 7}) contract.require_put(key_of(number, 1), pattern(number, number));
    contract.require_put(key_of(3, 0), "x");
    REQUIRE(contract.remove({key_of(7, 1)}).has_value());
    auto page = contract.list(ShardKey{}, 3);
    REQUIRE(page.has_value());
    REQUIRE(page->shards.size() == 3);
    CHECK(page->more);
    CHECK(page->shards[0].key == key_of(1, 1));
    CHECK(page->shards[1].key == key_of(3, 0));
    CHECK(page->shards[2].key == key_of(3, 1));
    CHECK(page->shards[2].length == 3);
    page = contract.list(key_of(4), 3);
    REQUIRE(page.has_value());
    REQUIRE(page->shards.size() == 2);
    CHECK_FALSE(page->more);
    CHECK(page->shards[0].key == key_of(5, 1));
    CHECK(page->shards[1].key == key_of(9, 1));
  }
}

void check_restart(const StoreFactory& make) {
  SECTION("everything acknowledged is there after a restart, and what was removed is not") {
    Contract contract(make);
    for (std::uint64_t i = 0; i < 50; ++i) contract.require_put(key_of(i), pattern(i, 1000 + i));
    for (std::uint64_t i = 0; i < 50; i += 5) REQUIRE(contract.remove({key_of(i)}).has_value());
    for (std::uint64_t i = 1; i < 50; i += 5) contract.require_put(key_of(i), pattern(i + 1000, 500));
    const DriveStatus before = contract.status();
    contract.under_test().restart();
    for (std::uint64_t i = 0; i < 50; ++i) {
      if (i % 5 == 0) contract.check_missing(key_of(i));
      else if (i % 5 == 1) contract.check_text(key_of(i), pattern(i + 1000, 500));
      else contract.check_text(key_of(i), pattern(i, 1000 + i));
    }
    CHECK(contract.status().shards == before.shards);
    CHECK(contract.status().shard_bytes == before.shard_bytes);
    CHECK(contract.status().shards == 40);
    contract.require_put(key_of(100), "after");
    contract.check_text(key_of(100), "after");
  }
}

void check_concurrency(const StoreFactory& make) {
  SECTION("many puts at once all succeed and are all there") {
    Contract contract(make);
    std::vector<task<Result<void>>> puts;
    for (std::uint64_t i = 0; i < 200; ++i) {
      std::vector<Bytes> pieces = {Bytes::copy_of(pattern(i, 3000))};
      puts.push_back(contract.store().put({}, key_of(i), std::move(pieces)));
    }
    for (const auto& result : contract.under_test().run(gather(std::move(puts)))) REQUIRE(result.has_value());
    for (std::uint64_t i = 0; i < 200; ++i) contract.check_text(key_of(i), pattern(i, 3000));
    const DriveStatus status = contract.status();
    CHECK(status.health == DriveHealth::up);
    CHECK(status.shards == 200);
    CHECK(status.shard_bytes == 200 * 3000);
    CHECK(status.segment_bytes >= status.shard_bytes);
    CHECK(status.available_bytes <= status.total_bytes);
  }
}

}  // namespace

std::string pattern(std::uint64_t seed, std::size_t size) {
  std::string out(size, '\0');
  std::uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (std::size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) state = state * 6364136223846793005u + 1442695040888963407u;
    out[i] = static_cast<char>(state >> (8 * (i % 8)));
  }
  return out;
}

ShardKey key_of(std::uint64_t number, std::uint8_t index) {
  ShardKey key;
  const std::uint64_t big_endian = __builtin_bswap64(number);
  std::memcpy(key.block.bytes.data(), &big_endian, sizeof big_endian);
  key.index = index;
  return key;
}

void check_shard_store(const StoreFactory& make) {
  check_put_and_read(make);
  check_ranges(make);
  check_replace_and_remove(make);
  check_list(make);
  check_restart(make);
  check_concurrency(make);
}

}  // namespace gabion::chunkserver::test
