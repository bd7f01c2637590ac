#include "tools/serve/joining.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/digest.h"
#include "common/log.h"
#include "common/pki/join_token.h"
#include "common/rpc/client.h"
#include "metadata/cluster/edit_state.h"
#include "metadata/cluster/layout.h"
#include "tools/serve/addresses.h"

namespace gabion::serve {
namespace {

constexpr std::string_view kAuthorityPurpose = "gabion cluster authority";
constexpr Duration kJoinTime = std::chrono::seconds(20);
constexpr int kJoinsAtOnce = 4;
constexpr Duration kLookInterval = std::chrono::seconds(1);  // for tokens that are not known here
constexpr std::size_t kJoinKeyMax = 16 * KiB;
constexpr std::string_view kRequestBegins = "-----BEGIN CERTIFICATE REQUEST-----";

Error refused() { return {Errc::denied, "the token is not valid: it was used already, has expired, or is of another cluster"}; }

Error too_many() { return {Errc::exhausted, "too many nodes are joining at once; try again in a moment"}; }

metadata::JoinToken* find_token(metadata::ClusterState& state, std::string_view secret, WallMicros now) {
  const std::string digest = pki::digest_of_secret(secret);
  auto& tokens = *state.mutable_tokens();
  const auto it = std::find_if(tokens.begin(), tokens.end(), [&](const metadata::JoinToken& token) {
    return token.sha256() == digest && token.expires_us() > now;
  });
  return it == tokens.end() ? nullptr : &*it;
}

// For people: 0.0.0.0 is nowhere they could connect to.
std::string reachable(const std::string& listen, const std::string& advertised) {
  const auto address = listen_address(listen);
  if (!address || (address->host != "0.0.0.0" && address->host != "::")) return listen;
  const auto known = peer_address(NodeId{}, advertised);
  return known ? fmt::format("{}:{}", known->host, address->port) : listen;
}

bool has_role(const Config& config, std::string_view role) {
  return std::find(config.cluster_roles.begin(), config.cluster_roles.end(), role) != config.cluster_roles.end();
}

}  // namespace

void set_authority(metadata::ClusterState& state, const pki::Authority& authority, const SecretKey& master, Rng& rng) {
  state.set_authority_certificate(authority.certificate());
  state.set_authority_key(wrap(master, as_bytes(authority.key()), kAuthorityPurpose, rng));
}

Result<pki::Authority> open_authority(const metadata::ClusterState& state, const SecretKey& master) {
  if (state.authority_certificate().empty()) {
    return Error(Errc::not_found, "this node is alone: `gabion admin cluster init` lets others join it");
  }
  TRY(const std::string key, unwrap(master, state.authority_key(), kAuthorityPurpose));
  return pki::Authority::load(state.authority_certificate(), key);
}

metadata::NodeInfo describe_node(const Config& config) {
  metadata::NodeInfo node;
  node.set_address(config.cluster_advertise.empty() ? config.cluster_listen : config.cluster_advertise);
  for (const std::string& level : config.cluster_domain) node.add_domain(level);
  node.set_metadata(has_role(config, "metadata"));
  node.set_gateway(has_role(config, "gateway"));
  node.set_chunkserver(has_role(config, "chunkserver"));
  const char* scheme = config.tls_certificate.empty() ? "http" : "https";
  if (node.gateway()) node.set_s3_endpoint(fmt::format("{}://{}", scheme, reachable(config.listen, node.address())));
  node.set_admin_endpoint(reachable(config.admin_listen, node.address()));
  return node;
}

Result<JoinKey> keep_join_key(const std::vector<Disk*>& drives) {
  JoinKey kept;
  for (Disk* drive : drives) {
    const auto content = read_file(*drive, kJoinKeyFile, kJoinKeyMax);
    const auto request = content ? content->find(kRequestBegins) : std::string::npos;
    if (request == std::string::npos) continue;
    kept.key = content->substr(0, request);
    kept.signing_request = content->substr(request);
    return kept;
  }
  if (drives.empty()) return Error(Errc::invalid, "a node without drives cannot join a cluster");
  kept.key = pki::make_key();
  TRY(kept.signing_request, pki::make_request(kept.key));
  TRY_OK(replace_file(*drives.front(), kJoinKeyFile, kept.key + kept.signing_request));
  return kept;
}

void forget_join_key(const std::vector<Disk*>& drives) {
  for (Disk* drive : drives) {
    if (read_file(*drive, kJoinKeyFile, kJoinKeyMax)) (void)drive->remove(kJoinKeyFile);
  }
}

task<Result<Joined>> join_cluster(const Config& config, JoinKey key, Clock& clock) {
  CO_TRY(const pki::JoinToken token, pki::parse_join_token(config.cluster_token));
  Joined joined;
  joined.key = std::move(key.key);
  JoinRequest request;
  request.set_token(token.secret);
  request.set_signing_request(key.signing_request);
  *request.mutable_node() = describe_node(config);
  Error last(Errc::unavailable, "cluster.join names no node");
  for (const std::string& at : config.cluster_join) {
    CO_TRY(const rpc::PeerAddress address, peer_address(NodeId{}, at));
    Context ctx;
    ctx.deadline = clock.now() + kJoinTime;
    auto reply = co_await rpc::ask_to_join(ctx, address, token.authority, request.SerializeAsString(), clock);
    if (!reply) {
      // It may have been admitted all the same: any node tells it so when it asks again.
      last = Error(reply.error().code, fmt::format("{} did not let this node join: {}", at, reply.error().message));
      continue;
    }
    if (!joined.reply.ParseFromString(reply->header)) {
      co_return Error(Errc::corrupt, at + " gave an answer that cannot be decoded");
    }
    co_return joined;
  }
  co_return last;
}

void JoinService::follow(const metadata::ClusterState& state) {
  const std::lock_guard lock(mutex_);
  tokens_.clear();
  for (const metadata::JoinToken& token : state.tokens()) tokens_.insert(token.sha256());
}

bool JoinService::worth_a_look(std::string_view token) {
  const std::lock_guard lock(mutex_);
  if (tokens_.contains(pki::digest_of_secret(token))) return true;
  const TimePoint now = clock_.now();
  if (now < next_look_) return false;
  next_look_ = now + kLookInterval;
  return true;
}

task<Result<rpc::Reply>> JoinService::handle(Context ctx, rpc::Peer, rpc::Method, std::string header, Bytes) {
  JoinRequest request;
  if (!request.ParseFromString(header)) co_return Error(Errc::invalid, "a request to join cannot be decoded");
  if (!worth_a_look(request.token())) co_return too_many();
  if (under_way_.fetch_add(1) >= kJoinsAtOnce) {
    under_way_.fetch_sub(1);
    co_return too_many();
  }
  ctx.deadline = std::min(ctx.deadline, clock_.now() + kJoinTime);
  const Result<JoinReply> admitted = co_await admit(ctx, std::move(request));
  under_way_.fetch_sub(1);
  CO_TRY(const JoinReply reply, admitted);
  co_return rpc::Reply{reply.SerializeAsString(), Bytes()};
}

task<Result<JoinReply>> JoinService::admit(Context ctx, JoinRequest request) {
  JoinReply reply;
  const auto admit_one = [&](metadata::ClusterState& state) -> Result<void> {
    metadata::JoinToken* const token = find_token(state, request.token(), clock_.wall());
    if (token == nullptr) return refused();
    const std::string asked = sha256(as_bytes(request.signing_request()));
    const bool again = token->node() != 0;
    if (again && token->request_sha256() != asked) return refused();
    if (again && metadata::cluster::find_node(state, NodeId{token->node()}) == nullptr) return refused();
    TRY(const pki::Authority authority, open_authority(state, secrets_.master_key));
    const NodeId number{again ? token->node() : state.last_node() + 1};
    // Before the token is used up: a request that cannot be signed must not cost it.
    TRY(*reply.mutable_certificate(), authority.issue(request.signing_request(), number, clock_, rng_));
    reply.set_authority(authority.certificate());
    reply.set_node(static_cast<std::uint32_t>(number));
    if (again) return {};
    token->set_node(reply.node());
    token->set_request_sha256(asked);
    request.mutable_node()->set_id(reply.node());
    metadata::cluster::Facts facts;
    facts.now_us = clock_.wall();
    TRY(auto change, metadata::cluster::add_node(std::move(state), request.node(), {}, facts));
    state = std::move(change.state);
    return {};
  };
  CO_TRY(auto committed, co_await metadata::cluster::edit_state(metadata_, ctx, admit_one));
  LOG(info, "cluster", "a node has joined", field("node", to_string(NodeId{reply.node()})),
      field("address", request.node().address()));
  reply.set_access_key(secrets_.access_key);
  reply.set_secret_key(secrets_.secret_key);
  reply.set_master_key(std::string(as_text(secrets_.master_key.view())));
  // Where the others are is all that it needs for now, and all that fits in an answer to a stranger; the version is that of no
  // state, so that it fetches the whole one as soon as it can.
  reply.mutable_state()->set_cluster_id(committed.state.cluster_id());
  reply.mutable_state()->mutable_nodes()->Swap(committed.state.mutable_nodes());
  co_return reply;
}

}  // namespace gabion::serve
