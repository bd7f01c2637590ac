// What the library gets wrong with a custom back end, each arranged by itself: the guards in Library hold.
#include <catch2/catch_test_macros.hpp>

#include "metadata/raft/library.h"

namespace gabion::metadata::raft {
namespace {

using namespace std::chrono_literals;
using Kind = Message::Kind;

const NodeId kSelf{1}, kLeader{2}, kOther{3};

std::vector<Member> voters(std::initializer_list<NodeId> nodes) {
  std::vector<Member> out;
  for (const NodeId node : nodes) out.push_back({node, MemberRole::voter});
  return out;
}

// A disk that is told when to be done, and a network that keeps what is sent.
class Bench final : public Library::Host {
 public:
  explicit Bench(Recovered recovered = {}) : library_(*this, kSelf, Timing()) {
    REQUIRE(library_.start(std::move(recovered)).has_value());
  }
  static Recovered founded(std::vector<Member> members, std::uint64_t term = 1) {
    Recovered out;
    out.hard.term = term;
    out.entries.emplace_back(1, EntryType::members, encode_members_entry(members));
    return out;
  }
  Library& operator*() { return library_; }
  Library* operator->() { return &library_; }
  void persist() {
    for (; pending > 0; --pending) library_.persisted();
  }
  void entries(NodeId from, std::uint64_t term, std::uint64_t previous_index, std::uint64_t previous_term,
               std::vector<EntryView> list, std::uint64_t commit = 0) {
    Message message;
    message.kind = Kind::append_entries;
    message.term = term;
    message.previous_index = previous_index;
    message.previous_term = previous_term;
    message.commit = commit;
    message.entries = std::move(list);
    library_.receive(from, message);
  }
  void pass(Duration time) {
    for (Duration gone{}; gone < time; gone += 50ms) {
      clock += 50ms;
      library_.tick();
    }
  }
  std::vector<Message> take_sent(Kind kind) {
    std::vector<Message> out;
    std::erase_if(sent, [&](const Message& message) {
      if (message.kind != kind) return false;
      out.push_back(message);
      return true;
    });
    return out;
  }

  TimePoint now() const override { return clock; }
  std::uint64_t random() override { return 7; }
  void write_hard_state(const HardState& state) override { hard = state; }
  void write_truncate(std::uint64_t from) override { truncated.push_back(from); }
  void write_entries(std::uint64_t first, const std::vector<EntryView>& list) override {
    ++pending;
    written.emplace_back(first, list.size());
  }
  void install(NodeId from, const Snapshot& snapshot) override { installs.emplace_back(from, snapshot); }
  void send(NodeId, const Message& message) override {
    std::size_t bytes = 0;
    for (const EntryView& entry : message.entries) bytes += entry.data.size();
    largest = std::max(largest, bytes);
    entries_sent += message.entries.size();
    sent.push_back(message);
    sent.back().entries.clear();  // they are somebody else's
  }
  void apply(std::uint64_t index, std::string_view) override { applied.push_back(index); }
  void proposed(std::uint64_t index, bool committed) override { decided.emplace_back(index, committed); }
  std::uint64_t entries_to_keep(std::uint64_t) override { return 1; }

  TimePoint clock{1h};
  HardState hard;
  int pending = 0;
  std::vector<std::pair<std::uint64_t, std::size_t>> written;
  std::vector<std::uint64_t> truncated;
  std::vector<std::pair<NodeId, Snapshot>> installs;
  std::vector<Message> sent;
  std::size_t largest = 0, entries_sent = 0;
  std::vector<std::uint64_t> applied;
  std::vector<std::pair<std::uint64_t, bool>> decided;

 private:
  Library library_;
};

EntryView command(std::uint64_t term, std::string_view data = "c") { return {term, EntryType::command, data}; }

}  // namespace

TEST_CASE("proposals of a group of one are told when they are committed") {
  Bench bench(Bench::founded(voters({kSelf})));
  REQUIRE(bench->leads());
  const std::uint64_t index = bench->propose("one").value();
  CHECK(bench.decided.empty());
  bench.persist();
  CHECK(bench.applied == std::vector<std::uint64_t>{index});
  CHECK(bench.decided == std::vector<std::pair<std::uint64_t, bool>>{{index, true}});
}

TEST_CASE("members that change behind other entries of one message are committed under their own index") {
  Bench bench(Bench::founded(voters({kSelf, kLeader, kOther})));
  const std::string fewer = encode_members_entry(voters({kSelf, kLeader}));
  bench.entries(kLeader, 1, 1, 1, {command(1), {1, EntryType::members, fewer}, command(1)}, 4);
  bench.persist();
  bench.entries(kLeader, 1, 4, 1, {}, 4);
  CHECK(bench->committed() == 4);
  CHECK(bench.applied == std::vector<std::uint64_t>{2, 4});
  CHECK(bench->members() == voters({kSelf, kLeader}));
  CHECK(bench->members_settled());
  CHECK(bench->members_version().first == 3);
}

TEST_CASE("an entry that was cut off and comes again waits until its first copy is written") {
  Bench bench(Bench::founded(voters({kSelf, kLeader, kOther})));
  bench.entries(kLeader, 2, 1, 1, {command(2)});
  bench.entries(kOther, 3, 1, 1, {command(3)});
  CHECK(bench.truncated == std::vector<std::uint64_t>{2});
  CHECK(bench.pending == 2);
  bench.entries(kLeader, 4, 1, 1, {command(2), command(4)});
  CHECK(bench.pending == 2);
  bench.persist();
  bench.entries(kLeader, 4, 1, 1, {command(2), command(4)}, 3);
  CHECK(bench.written.back() == std::pair<std::uint64_t, std::size_t>{2, 2});
  bench.persist();
  bench.entries(kLeader, 4, 3, 4, {}, 3);
  CHECK(bench.applied == std::vector<std::uint64_t>{2, 3});
  CHECK(bench->last_index() == 3);
}

TEST_CASE("a refused pre-vote tells the term that it was refused in") {
  Bench bench(Bench::founded(voters({kSelf, kLeader, kOther}), 9));
  bench.entries(kLeader, 9, 1, 1, {});  // there is a leader, so pre-votes are refused
  bench.sent.clear();
  Message vote;
  vote.kind = Kind::vote;
  vote.version = 2;
  vote.term = 4;
  vote.last_index = vote.last_term = 1;
  vote.pre_vote = true;
  bench->receive(kOther, vote);
  const auto answers = bench.take_sent(Kind::vote_result);
  REQUIRE(answers.size() == 1);
  CHECK(!answers[0].granted);
  CHECK(answers[0].term == 9);
}

TEST_CASE("a leader that is told to step in waits for what it is writing") {
  Bench bench(Bench::founded(voters({kSelf, kLeader, kOther})));
  bench.entries(kLeader, 1, 1, 1, {command(1)});
  Message now;
  now.kind = Kind::timeout_now;
  now.term = 1;
  now.last_index = 2;
  now.last_term = 1;
  bench->receive(kLeader, now);
  CHECK(bench->state() == Library::State::follower);
  bench.persist();
  bench->receive(kLeader, now);
  CHECK(bench->state() == Library::State::candidate);
  CHECK(bench.hard == HardState{2, kSelf});
}

TEST_CASE("one state is installed at a time") {
  Bench bench(Bench::founded(voters({kSelf, kLeader, kOther})));
  Message snapshot;
  snapshot.kind = Kind::install_snapshot;
  snapshot.term = 3;
  snapshot.last_index = 50;
  snapshot.last_term = 2;
  snapshot.members_index = 1;
  snapshot.members = voters({kSelf, kLeader, kOther});
  for (int i = 0; i < 3; ++i) bench->receive(kLeader, snapshot);
  REQUIRE(bench.installs.size() == 1);
  CHECK(bench.installs[0].first == kLeader);
  CHECK(bench->installing());
  bench.pass(10s);  // a member that installs stands for no election
  CHECK(bench->state() == Library::State::follower);
  bench->installed();
  CHECK(bench->passed() == 50);
  bench.entries(kLeader, 3, 50, 2, {command(3)}, 51);
  bench.persist();
  CHECK(bench.written.back() == std::pair<std::uint64_t, std::size_t>{51, 1});
  CHECK(bench.applied == std::vector<std::uint64_t>{51});
}

TEST_CASE("a leader is not moved by one of its own term, nor a follower by votes for it") {
  Bench bench(Bench::founded(voters({kSelf})));
  REQUIRE(bench->leads());
  bench.entries(kOther, 1, 1, 1, {command(1)}, 2);
  CHECK(bench->leads());
  CHECK(bench->last_index() == 1);
  Message answer;
  answer.kind = Kind::vote_result;
  answer.version = 2;
  answer.term = 5;
  answer.pre_vote = true;
  bench->receive(kOther, answer);
  CHECK(bench->term() == 1);
}

TEST_CASE("many entries for a member that is behind go in messages of bounded size") {
  Bench bench(Bench::founded({{kSelf}, {kOther, MemberRole::standby}}));
  const std::string large(700 * KiB, 'x');
  for (int i = 0; i < 12; ++i) {
    REQUIRE(bench->propose(large).has_value());
    bench.persist();
  }
  bench.sent.clear();
  bench.largest = bench.entries_sent = 0;
  Message behind;
  behind.kind = Kind::append_result;
  behind.version = 2;
  behind.term = 1;
  behind.last_index = 1;
  bench->receive(kOther, behind);
  bench.pass(200ms);
  CHECK(bench.entries_sent >= 12);  // all, and again as long as nobody answers
  CHECK(bench.largest <= 2 * MiB);
}

TEST_CASE("what is committed leaves the memory, and members that need it are told of the snapshot") {
  Bench bench(Bench::founded({{kSelf}, {kOther, MemberRole::standby}}));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(bench->propose("c").has_value());
    bench.persist();
  }
  REQUIRE(bench->cut());
  REQUIRE(bench->snapshot().has_value());
  CHECK(bench->snapshot()->index == 11);
  CHECK(bench->snapshot()->members.size() == 2);
  CHECK(!bench->cut());  // nothing is new
  bench.sent.clear();
  Message behind;
  behind.kind = Kind::append_result;
  behind.version = 2;
  behind.term = 1;
  behind.rejected = 11;
  behind.last_index = 0;
  bench->receive(kOther, behind);
  for (int i = 0; i < 3; ++i) {
    bench.pass(200ms);
    bench->receive(kOther, behind);
  }
  const auto told = bench.take_sent(Kind::install_snapshot);
  REQUIRE(!told.empty());
  CHECK(told[0].last_index == 11);
  CHECK(told[0].last_term == 1);
  CHECK(told[0].members.size() == 2);
}

}  // namespace gabion::metadata::raft
