#include "chunkserver/shard_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "chunkserver/shard_wire.h"

namespace gabion::chunkserver {

void ShardService::add(const DriveId& drive, ShardStore& store) {
  const std::lock_guard lock(mutex_);
  stores_[drive] = &store;
}

void ShardService::remove(const DriveId& drive) {
  const std::lock_guard lock(mutex_);
  stores_.erase(drive);
}

void ShardService::watch_reads(Clock& clock, ReadTaken taken) {
  auto watch = std::make_shared<const Watch>(clock, std::move(taken));
  const std::lock_guard lock(mutex_);
  watch_ = std::move(watch);
}

std::shared_ptr<const ShardService::Watch> ShardService::watch() const {
  const std::lock_guard lock(mutex_);
  return watch_;
}

ShardStore* ShardService::find(std::string_view drive) const {
  const auto id = DriveId::from_raw(drive);
  if (!id) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto it = stores_.find(*id);
  return it == stores_.end() ? nullptr : it->second;
}

rpc::Reply ShardService::reply(ShardReply body, Bytes payload) const {
  body.set_ring_epoch(epochs_.newest());
  return {body.SerializeAsString(), std::move(payload)};
}

task<Result<rpc::Reply>> ShardService::handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header,
                                              Bytes payload) {
  if (peer.node == NodeId{}) co_return Error(Errc::denied, "only nodes of the cluster may use its drives");
  ShardRequest request;
  if (!request.ParseFromString(header)) co_return Error(Errc::invalid, "a request for shards cannot be decoded");
  epochs_.hear(request.ring_epoch());
  auto answered = co_await answer(ctx, method, std::move(request), std::move(payload));
  if (answered) co_return answered;
  // Errors travel in the answer, because every answer tells this node's ring.
  ShardReply refusal;
  refusal.set_error(static_cast<std::uint32_t>(answered.error().code));
  refusal.set_message(answered.error().message);
  co_return reply(std::move(refusal));
}

task<Result<rpc::Reply>> ShardService::answer(Context ctx, rpc::Method method, ShardRequest request, Bytes payload) {
  ShardStore* const store = find(request.drive());
  if (store == nullptr) co_return Error(Errc::unavailable, "this node does not have the drive");
  switch (method) {
    case rpc::Method::shard_put: co_return co_await put(ctx, *store, std::move(request), std::move(payload));
    case rpc::Method::shard_read: co_return co_await read(ctx, *store, std::move(request));
    case rpc::Method::shard_stat: co_return co_await stat(ctx, *store, std::move(request));
    case rpc::Method::shard_remove: co_return co_await erase(ctx, *store, std::move(request));
    case rpc::Method::shard_list: co_return co_await list(ctx, *store, std::move(request));
    case rpc::Method::drive_status: co_return co_await status(ctx, *store);
    default: co_return Error(Errc::invalid, "a request that drives do not answer");
  }
}

// What changes shards is refused to those who act by a ring that is known to be replaced: they would bring shards to where
// they do not belong, or take away the copy that the next ring relies on.
Result<void> ShardService::check_epoch(const ShardRequest& request) const {
  const std::uint64_t current = epochs_.newest();
  if (request.ring_epoch() >= current) return {};
  return Error(Errc::conflict, fmt::format("stale ring epoch {}, current {}", request.ring_epoch(), current));
}

task<Result<rpc::Reply>> ShardService::put(Context ctx, ShardStore& store, ShardRequest request, Bytes payload) {
  CO_CHECK(check_epoch(request));
  CO_TRY(const ShardKey key, wire::parse_key(request.keys()));
  CO_CHECK(co_await store.put(ctx, key, std::vector<Bytes>(1, std::move(payload))));
  co_return reply(ShardReply());
}

task<Result<rpc::Reply>> ShardService::read(Context ctx, ShardStore& store, ShardRequest request) {
  CO_TRY(const ShardKey key, wire::parse_key(request.keys()));
  const auto watched = ctx.priority == Priority::interactive ? watch() : nullptr;
  const TimePoint began = watched ? watched->clock.now() : TimePoint();
  CO_TRY(Bytes bytes, co_await store.read(ctx, key, request.offset(), request.length()));
  if (watched) watched->taken(watched->clock.now() - began);
  co_return reply(ShardReply(), std::move(bytes));
}

task<Result<rpc::Reply>> ShardService::stat(Context ctx, ShardStore& store, ShardRequest request) {
  CO_TRY(const ShardKey key, wire::parse_key(request.keys()));
  CO_TRY(const ShardInfo info, co_await store.stat(ctx, key));
  ShardReply body;
  body.set_length(info.length);
  co_return reply(std::move(body));
}

task<Result<rpc::Reply>> ShardService::erase(Context ctx, ShardStore& store, ShardRequest request) {
  CO_CHECK(check_epoch(request));
  CO_TRY(auto keys, wire::parse_keys(request.keys()));
  CO_CHECK(co_await store.remove(ctx, std::move(keys)));
  co_return reply(ShardReply());
}

task<Result<rpc::Reply>> ShardService::list(Context ctx, ShardStore& store, ShardRequest request) {
  CO_TRY(const ShardKey from, wire::parse_key(request.keys()));
  const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(request.limit(), wire::kListMax));
  CO_TRY(const ShardPage page, co_await store.list(ctx, from, limit));
  ShardReply body;
  for (const ShardInfo& shard : page.shards) wire::append_shard(*body.mutable_shards(), shard);
  body.set_more(page.more);
  co_return reply(std::move(body));
}

task<Result<rpc::Reply>> ShardService::status(Context ctx, ShardStore& store) {
  CO_TRY(const DriveStatus status, co_await store.status(ctx));
  ShardReply body;
  *body.mutable_status() = wire::encode_status(status);
  co_return reply(std::move(body));
}

}  // namespace gabion::chunkserver
