#include "chunkserver/shard_wire.h"

namespace gabion::chunkserver::wire {
namespace {

constexpr std::size_t kKeyBytes = 17;
constexpr std::size_t kShardBytes = kKeyBytes + 4;

ShardKey key_at(std::string_view packed) {
  return {*BlockId::from_raw(packed.substr(0, 16)), static_cast<std::uint8_t>(packed[16])};
}

}  // namespace

void append_key(std::string& out, const ShardKey& key) {
  out.append(key.block.raw());
  out.push_back(static_cast<char>(key.index));
}

Result<std::vector<ShardKey>> parse_keys(std::string_view packed) {
  if (packed.size() % kKeyBytes != 0) return Error(Errc::invalid, "the keys of a request are cut off");
  if (packed.size() / kKeyBytes > kKeysMax) return Error(Errc::too_large, "a request names too many keys");
  std::vector<ShardKey> keys;
  keys.reserve(packed.size() / kKeyBytes);
  for (; !packed.empty(); packed.remove_prefix(kKeyBytes)) keys.push_back(key_at(packed));
  return keys;
}

Result<ShardKey> parse_key(std::string_view packed) {
  if (packed.size() != kKeyBytes) return Error(Errc::invalid, "a request does not name one key");
  return key_at(packed);
}

void append_shard(std::string& out, const ShardInfo& shard) {
  append_key(out, shard.key);
  char length[4];
  store_le(length, shard.length);
  out.append(length, sizeof length);
}

Result<std::vector<ShardInfo>> parse_shards(std::string_view packed) {
  if (packed.size() % kShardBytes != 0) return Error(Errc::invalid, "a list of shards is cut off");
  std::vector<ShardInfo> shards;
  shards.reserve(packed.size() / kShardBytes);
  for (; !packed.empty(); packed.remove_prefix(kShardBytes)) {
    shards.push_back({key_at(packed), load_le<std::uint32_t>(packed.data() + kKeyBytes)});
  }
  return shards;
}

StoreStatus encode_status(const DriveStatus& status) {
  StoreStatus out;
  out.set_failed(status.health == DriveHealth::failed);
  out.set_reason(status.reason);
  out.set_total_bytes(status.total_bytes);
  out.set_available_bytes(status.available_bytes);
  out.set_shards(status.shards);
  out.set_shard_bytes(status.shard_bytes);
  out.set_segment_bytes(status.segment_bytes);
  return out;
}

DriveStatus decode_status(const StoreStatus& status) {
  DriveStatus out;
  out.health = status.failed() ? DriveHealth::failed : DriveHealth::up;
  out.reason = status.reason();
  out.total_bytes = status.total_bytes();
  out.available_bytes = status.available_bytes();
  out.shards = status.shards();
  out.shard_bytes = status.shard_bytes();
  out.segment_bytes = status.segment_bytes();
  return out;
}

Errc error_code(std::uint32_t number) {
  const bool known =
      number >= static_cast<std::uint32_t>(Errc::not_found) && number <= static_cast<std::uint32_t>(Errc::internal);
  return known ? static_cast<Errc>(number) : Errc::internal;
}

}  // namespace gabion::chunkserver::wire
