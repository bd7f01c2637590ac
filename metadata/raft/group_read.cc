// Linearizable reads without a log entry (ReadIndex, thesis 6.4): the leader notes what is committed, lets a majority confirm
// that it still leads, and reads once that much is applied. One confirmation serves all who asked before it began.
#include <algorithm>

#include "metadata/mutation.h"
#include "metadata/raft/group.h"

namespace gabion::metadata::raft {

task<Result<void>> NodeGroup::read_barrier(Context ctx) {
  // What was acknowledged has been applied, and nobody else can acknowledge.
  if (alone()) co_return Result<void>();
  auto executor = co_await asio::this_coro::executor;
  Reader reader(ctx, std::move(executor));
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [this, &reader](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        reader.resume = [shared] { std::move (*shared)(); };
        if (!gate_.enter()) {
          reader.result = Error(Errc::cancelled, "the metadata service is stopping");
          asio::post(reader.executor, reader.resume);
          return;
        }
        asio::post(executor_, [this, &reader] {
          add_reader(&reader);
          gate_.leave();
        });
      },
      asio::use_awaitable);
  co_return std::move(reader.result);
}

void NodeGroup::add_reader(Reader* reader) {
  if (failure_ || !leads_) {
    reader->result = failure_ ? Error(Errc::unavailable, failure_->message)
                              : Error(Errc::not_leader, "this node does not lead the group");
    complete(std::vector<Reader*>{reader});
    return;
  }
  new_readers_.push_back(reader);
  start_round();
}

void NodeGroup::start_round() {
  // A leader learns with the first entry of its own term what its predecessors committed.
  const bool knows = library_.committed() >= read_floor_ || mutated(Mutation::read_before_own_entry);
  if (round_ || new_readers_.empty() || !leads_ || !knows) return;
  round_.emplace(++rounds_, library_.committed(), std::exchange(new_readers_, {}));
  if (only_voter_ || mutated(Mutation::read_at_once)) confirm(self_);
  else ask_round();
}

void NodeGroup::ask_round() {
  asked_ = clock_.now();
  Message ping;
  ping.kind = Message::Kind::ping;
  ping.term = library_.term();
  ping.round = round_->number;
  for (const Member& member : members_) {
    if (member.role == MemberRole::voter && member.node != self_) send(member.node, ping);
  }
}

void NodeGroup::on_ping(NodeId from, const Message& message) {
  if (message.term != library_.term() || library_.state() != Library::State::follower) return;
  Message answer = message;
  answer.kind = Message::Kind::ping_result;
  send(from, answer);
}

void NodeGroup::on_ping_result(NodeId from, const Message& message) {
  if (!round_ || message.round != round_->number || !leads_ || message.term != library_.term()) return;
  confirm(from);
}

void NodeGroup::confirm(NodeId by) {
  if (std::find(round_->confirmed.begin(), round_->confirmed.end(), by) == round_->confirmed.end()) {
    round_->confirmed.push_back(by);
  }
  // A majority of those who vote now; this node counts when it is one of them.
  std::size_t voters = 0, confirmed = 0;
  for (const Member& member : members_) {
    if (member.role != MemberRole::voter) continue;
    ++voters;
    const auto& list = round_->confirmed;
    if (member.node == self_ || std::find(list.begin(), list.end(), member.node) != list.end()) ++confirmed;
  }
  if (confirmed <= voters / 2 && !mutated(Mutation::read_at_once)) return;
  confirmed_rounds_.push_back(std::move(*round_));
  round_.reset();
  finish_readers();
  start_round();
}

void NodeGroup::finish_readers() {
  std::erase_if(confirmed_rounds_, [this](const ReadRound& round) {
    if (round.index > applied_) return false;
    complete(round.readers);
    return true;
  });
}

void NodeGroup::fail_readers(const Error& error) {
  std::vector<Reader*> readers = std::exchange(new_readers_, {});
  if (round_) readers.insert(readers.end(), round_->readers.begin(), round_->readers.end());
  round_.reset();
  for (const ReadRound& round : std::exchange(confirmed_rounds_, {})) {
    readers.insert(readers.end(), round.readers.begin(), round.readers.end());
  }
  for (Reader* reader : readers) reader->result = error;
  complete(readers);
}

void NodeGroup::expire_readers(TimePoint time) {
  std::vector<Reader*> late;
  const auto take_late = [&](std::vector<Reader*>& readers) {
    std::erase_if(readers, [&](Reader* reader) {
      if (reader->ctx.deadline > time) return false;
      reader->result = Error(Errc::deadline, "nobody confirmed in time that this node still leads the group");
      late.push_back(reader);
      return true;
    });
  };
  take_late(new_readers_);
  if (round_) take_late(round_->readers);
  for (ReadRound& round : confirmed_rounds_) take_late(round.readers);
  complete(late);
}

}  // namespace gabion::metadata::raft
