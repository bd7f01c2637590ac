#include "chunkserver/remote_shard_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "chunkserver/shard_wire.h"

namespace gabion::chunkserver {

struct RemoteShardStore::Answer {
  Answer() = default;
  ShardReply reply;
  Bytes payload;
};

RemoteShardStore::RemoteShardStore(rpc::Channel& channel, NodeId node, DriveId drive, RingEpochs& epochs, Clock& clock)
    : RemoteShardStore(channel, node, drive, epochs, clock, Patience()) {}

RemoteShardStore::RemoteShardStore(rpc::Channel& channel, NodeId node, DriveId drive, RingEpochs& epochs, Clock& clock,
                                   Patience patience)
    : channel_(channel), node_(node), drive_(drive), epochs_(epochs), clock_(clock), patience_(patience) {}

ShardRequest RemoteShardStore::request(const Context& ctx, const ShardKey* key) const {
  ShardRequest request;
  request.set_drive(drive_.bytes.data(), drive_.bytes.size());
  request.set_ring_epoch(ctx.ring_epoch != 0 ? ctx.ring_epoch : epochs_.acting());
  if (key != nullptr) wire::append_key(*request.mutable_keys(), *key);
  return request;
}

// What the channel reports, as the data path sees it: the drive is out of reach.
Error RemoteShardStore::explain(const Context& ctx, const Error& error) const {
  const std::string node = to_string(node_);
  switch (error.code) {
    case Errc::deadline:
      if (clock_.now() >= ctx.deadline) return error;
      return {Errc::unavailable, fmt::format("node {} did not answer in time", node)};
    case Errc::unavailable:
    case Errc::unknown_outcome:
    case Errc::end_of_stream:
    case Errc::cancelled: return {Errc::unavailable, fmt::format("node {} cannot be reached: {}", node, error.message)};
    default: return error;
  }
}

task<Result<RemoteShardStore::Answer>> RemoteShardStore::ask(Context ctx, rpc::Method method, Duration patience,
                                                             std::string header, std::vector<Bytes> payload) {
  Context limited = ctx;
  limited.deadline = std::min(ctx.deadline, clock_.now() + patience);
  auto got = co_await channel_.call(limited, method, std::move(header), std::move(payload));
  if (!got) co_return explain(ctx, got.error());
  Answer answer;
  if (!answer.reply.ParseFromString(got->header)) {
    co_return Error(Errc::unavailable, fmt::format("node {} gave an answer that cannot be decoded", to_string(node_)));
  }
  epochs_.hear(answer.reply.ring_epoch());
  if (answer.reply.error() != 0) co_return Error(wire::error_code(answer.reply.error()), answer.reply.message());
  answer.payload = std::move(got->payload);
  co_return answer;
}

task<Result<void>> RemoteShardStore::put(Context ctx, ShardKey key, std::vector<Bytes> pieces) {
  std::size_t size = 0;
  for (const Bytes& piece : pieces) size += piece.size();
  if (size > kShardBytesMax) co_return Error(Errc::too_large, fmt::format("a shard has at most {} bytes", kShardBytesMax));
  CO_CHECK(co_await ask(ctx, rpc::Method::shard_put, patience_.data, request(ctx, &key).SerializeAsString(), std::move(pieces)));
  co_return Result<void>();
}

task<Result<Bytes>> RemoteShardStore::read(Context ctx, ShardKey key, std::uint32_t offset, std::uint32_t length) {
  ShardRequest question = request(ctx, &key);
  question.set_offset(offset);
  question.set_length(length);
  CO_TRY(auto answer, co_await ask(ctx, rpc::Method::shard_read, patience_.data, question.SerializeAsString(), {}));
  if (length != 0 && answer.payload.size() != length) {
    co_return Error(Errc::unavailable, fmt::format("node {} gave {} bytes of a shard instead of {}", to_string(node_),
                                                   answer.payload.size(), length));
  }
  co_return std::move(answer.payload);
}

task<Result<ShardInfo>> RemoteShardStore::stat(Context ctx, ShardKey key) {
  const ShardRequest question = request(ctx, &key);
  CO_TRY(const auto answer, co_await ask(ctx, rpc::Method::shard_stat, patience_.status, question.SerializeAsString(), {}));
  co_return ShardInfo{key, answer.reply.length()};
}

task<Result<void>> RemoteShardStore::remove(Context ctx, std::vector<ShardKey> keys) {
  for (std::size_t i = 0; i < keys.size(); i += wire::kKeysMax) {
    ShardRequest question = request(ctx);
    const std::size_t end = std::min(i + wire::kKeysMax, keys.size());
    for (std::size_t j = i; j < end; ++j) wire::append_key(*question.mutable_keys(), keys[j]);
    CO_CHECK(co_await ask(ctx, rpc::Method::shard_remove, patience_.data, question.SerializeAsString(), {}));
  }
  co_return Result<void>();
}

task<Result<ShardPage>> RemoteShardStore::list(Context ctx, ShardKey from, std::size_t limit) {
  ShardRequest question = request(ctx, &from);
  question.set_limit(std::min(limit, wire::kListMax));
  CO_TRY(const auto answer, co_await ask(ctx, rpc::Method::shard_list, patience_.data, question.SerializeAsString(), {}));
  ShardPage page;
  CO_TRY(page.shards, wire::parse_shards(answer.reply.shards()));
  page.more = answer.reply.more();
  co_return page;
}

task<Result<DriveStatus>> RemoteShardStore::status(Context ctx) {
  CO_TRY(const auto answer, co_await ask(ctx, rpc::Method::drive_status, patience_.status, request(ctx).SerializeAsString(), {}));
  co_return wire::decode_status(answer.reply.status());
}

}  // namespace gabion::chunkserver
