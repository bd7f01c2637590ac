// How shard keys, pages and states stand in the messages of shard_rpc.proto. Pure; the bytes may be anybody's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chunkserver/shard_rpc.pb.h"
#include "chunkserver/shard_store.h"

namespace gabion::chunkserver::wire {

inline constexpr std::size_t kKeysMax = 16'384;    // in one message
inline constexpr std::size_t kListMax = 10'000;    // shards in one page

void append_key(std::string& out, const ShardKey& key);
// invalid when it is not a whole number of keys, or too many.
Result<std::vector<ShardKey>> parse_keys(std::string_view packed);
Result<ShardKey> parse_key(std::string_view packed);

void append_shard(std::string& out, const ShardInfo& shard);
Result<std::vector<ShardInfo>> parse_shards(std::string_view packed);

StoreStatus encode_status(const DriveStatus& status);
DriveStatus decode_status(const StoreStatus& status);

// Of an error that a peer names by number; a number that means nothing here is `internal`.
Errc error_code(std::uint32_t number);

}  // namespace gabion::chunkserver::wire
