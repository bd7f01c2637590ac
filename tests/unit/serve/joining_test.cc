// Who may join a cluster, what he gets, and that a token lets one node in, once.
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <optional>
#include <vector>

#include "common/pki/join_token.h"
#include "tests/support/memory_metadata.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"
#include "tools/serve/joining.h"

namespace gabion::serve {
namespace {

class Cluster {
 public:
  Cluster() : metadata(clock), authority(pki::Authority::create(id, clock, rng)) {
    secrets.access_key = "ACCESS";
    secrets.secret_key = "secret";
    secrets.master_key = SecretKey::random(rng);
    metadata::ClusterState state;
    state.set_cluster_id(std::string(id.raw()));
    state.set_last_node(1);
    auto* first = state.add_nodes();
    first->set_id(1);
    first->set_address("127.0.0.1:9002");
    set_authority(state, authority, secrets.master_key, rng);
    commit(std::move(state));
  }

  std::string grant(Duration valid) {
    auto current = *test::run(metadata.cluster_state(Context{}));
    const auto token = pki::make_join_token(*pki::fingerprint(authority.certificate()), rng);
    auto* entry = current.state.add_tokens();
    entry->set_sha256(pki::digest_of_secret(token.secret));
    entry->set_expires_us(clock.wall() + static_cast<std::uint64_t>(valid.count() / 1000));
    commit(std::move(current.state));
    service.follow(state());
    return token.secret;
  }
  Result<JoinReply> join(const std::string& secret, const std::string& signing_request) {
    JoinRequest request;
    request.set_token(secret);
    request.set_signing_request(signing_request);
    request.mutable_node()->set_address("127.0.0.2:9002");
    request.mutable_node()->set_chunkserver(true);
    auto reply = test::run(service.handle(Context{}, rpc::Peer{}, rpc::Method::join, request.SerializeAsString(), Bytes()));
    if (!reply) return reply.error();
    JoinReply decoded;
    REQUIRE(decoded.ParseFromString(reply->header));
    return decoded;
  }
  metadata::ClusterState state() { return test::run(metadata.cluster_state(Context{}))->state; }
  void commit(metadata::ClusterState state) {
    const auto current = test::run(metadata.cluster_state(Context{}));
    metadata::Command command;
    *command.mutable_set_cluster_state()->mutable_state() = std::move(state);
    command.mutable_set_cluster_state()->set_expected_version(current ? current->version : 0);
    REQUIRE(metadata.apply(std::move(command)).outcome() == metadata::APPLIED);
  }

  RealClock clock;
  SystemRng rng;
  const ClusterId id = ClusterId::random(rng);
  test::MemoryMetadata metadata;
  pki::Authority authority;
  Secrets secrets;
  JoinService service{metadata, secrets, clock, rng};
};

TEST_CASE("a node with a token gets a number, a certificate that the authority signed, and the cluster's secrets") {
  Cluster cluster;
  const std::string key = pki::make_key();
  const auto reply = cluster.join(cluster.grant(std::chrono::hours(1)), *pki::make_request(key));
  REQUIRE(reply.has_value());
  CHECK(reply->node() == 2);
  const auto certificate = pki::check_certificate(reply->certificate(), reply->authority(), cluster.clock.wall());
  REQUIRE(certificate.has_value());
  CHECK(certificate->subject == pki::Subject{cluster.id, NodeId{2}});
  CHECK(reply->access_key() == "ACCESS");
  CHECK(reply->master_key() == as_text(cluster.secrets.master_key.view()));
  CHECK(reply->state().nodes_size() == 2);
  CHECK(reply->state().ring().empty());  // an answer to a stranger is small, however large the cluster
  CHECK(cluster.state().nodes(1).address() == "127.0.0.2:9002");
}

TEST_CASE("a token lets one node in, and one that is wrong or too old lets nobody in") {
  Cluster cluster;
  const std::string request = *pki::make_request(pki::make_key());
  const std::string secret = cluster.grant(std::chrono::hours(1));
  REQUIRE(cluster.join(secret, request).has_value());
  const auto again = cluster.join(secret, *pki::make_request(pki::make_key()));
  const auto wrong = cluster.join(std::string(pki::kTokenSecretBytes, 'x'), request);
  const auto old = cluster.join(cluster.grant(Duration::zero()), request);
  for (const auto& refused : {again, wrong, old}) {
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::denied);
    CHECK(refused.error().message == again.error().message);
  }
  CHECK(cluster.state().nodes_size() == 2);
}

TEST_CASE("a request that cannot be signed does not cost the token") {
  Cluster cluster;
  const std::string secret = cluster.grant(std::chrono::hours(1));
  CHECK_FALSE(cluster.join(secret, "not a request").has_value());
  CHECK(cluster.join(secret, *pki::make_request(pki::make_key())).has_value());
}

TEST_CASE("a change of the cluster in the middle does not lose the join or let two nodes in") {
  Cluster cluster;
  const std::string secret = cluster.grant(std::chrono::hours(1));
  const auto sets_state = [](const metadata::Command& command) { return command.has_set_cluster_state(); };
  cluster.metadata.before_commit(sets_state, [&] {
    auto state = cluster.state();
    state.set_last_node(7);
    cluster.commit(std::move(state));
  });
  const auto reply = cluster.join(secret, *pki::make_request(pki::make_key()));
  REQUIRE(reply.has_value());
  CHECK(reply->node() == 8);
  CHECK(cluster.state().nodes_size() == 2);
  CHECK(cluster.state().tokens(0).node() == 8);
}

TEST_CASE("whoever asks again because the answer was lost is the same node, and nobody else is") {
  Cluster cluster;
  const std::string key = pki::make_key();
  const std::string request = *pki::make_request(key);
  const std::string secret = cluster.grant(std::chrono::hours(1));
  const auto lost = cluster.join(secret, request);
  REQUIRE(lost.has_value());
  const auto again = cluster.join(secret, request);
  REQUIRE(again.has_value());
  CHECK(again->node() == lost->node());
  CHECK(again->master_key() == lost->master_key());
  const auto certificate = pki::check_certificate(again->certificate(), again->authority(), cluster.clock.wall());
  REQUIRE(certificate.has_value());
  CHECK(certificate->subject == pki::Subject{cluster.id, NodeId{lost->node()}});
  CHECK(cluster.state().nodes_size() == 2);
  CHECK_FALSE(cluster.join(secret, *pki::make_request(pki::make_key())).has_value());

  auto without = cluster.state();
  without.mutable_nodes()->RemoveLast();
  cluster.commit(std::move(without));
  CHECK_FALSE(cluster.join(secret, request).has_value());
}

TEST_CASE("guessing tokens costs the cluster one look a second, and does not keep those out who have one") {
  Cluster cluster;
  const std::string request = *pki::make_request(pki::make_key());
  const std::string secret = cluster.grant(std::chrono::hours(1));
  unsigned looks = 0;
  for (int i = 0; i < 100; ++i) {
    const auto guess = cluster.join(std::string(pki::kTokenSecretBytes, static_cast<char>('a' + i % 26)), request);
    REQUIRE_FALSE(guess.has_value());
    if (guess.error().code == Errc::denied) ++looks;
    else CHECK(guess.error().code == Errc::exhausted);
  }
  CHECK(looks >= 1);
  CHECK(looks <= 3);
  CHECK(cluster.join(secret, request).has_value());
}

TEST_CASE("the key with which a node asks to join outlives an attempt that did not end, and is forgotten after") {
  const test::TempDir first, second;
  const auto a = *PosixDisk::open_root(first.path()), b = *PosixDisk::open_root(second.path());
  const std::vector<Disk*> drives{a.get(), b.get()};
  const auto kept = keep_join_key(drives);
  REQUIRE(kept.has_value());
  const auto again = keep_join_key({b.get(), a.get()});
  REQUIRE(again.has_value());
  CHECK(again->key == kept->key);
  CHECK(again->signing_request == kept->signing_request);
  forget_join_key(drives);
  CHECK(keep_join_key(drives)->key != kept->key);
}

TEST_CASE("a few join at once; more are told to come again, and the bound is free again afterwards") {
  Cluster cluster;
  const auto sets_state = [](const metadata::Command& command) { return command.has_set_cluster_state(); };
  const std::string request = *pki::make_request(pki::make_key());
  std::vector<std::string> secrets;
  for (int i = 0; i < 6; ++i) secrets.push_back(cluster.grant(std::chrono::hours(1)));
  int asked = 0;
  std::optional<Result<JoinReply>> last;
  // Each join begins when the one before is about to be committed.
  std::function<void()> join_another = [&] {
    if (++asked < 4) cluster.metadata.before_commit(sets_state, join_another);
    auto reply = cluster.join(secrets[static_cast<std::size_t>(asked)], request);
    if (!last) last = std::move(reply);
  };
  cluster.metadata.before_commit(sets_state, join_another);
  CHECK(cluster.join(secrets[0], request).has_value());
  REQUIRE(last.has_value());
  REQUIRE_FALSE(last->has_value());
  CHECK(last->error().code == Errc::exhausted);
  CHECK(last->error().message.find("try again") != std::string::npos);
  CHECK(cluster.join(secrets[5], request).has_value());
}

TEST_CASE("the authority opens only with the master key that sealed it") {
  Cluster cluster;
  CHECK(open_authority(cluster.state(), cluster.secrets.master_key).has_value());
  const auto other = open_authority(cluster.state(), SecretKey::random(cluster.rng));
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().code == Errc::denied);
  const auto alone = open_authority(metadata::ClusterState(), cluster.secrets.master_key);
  REQUIRE_FALSE(alone.has_value());
  CHECK(alone.error().code == Errc::not_found);
}

}  // namespace
}  // namespace gabion::serve
