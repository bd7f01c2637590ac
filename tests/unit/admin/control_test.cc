// What operators see of a cluster's state and change in it: over the real state machine, in memory.
#include "tools/serve/cluster_control.h"

#include <catch2/catch_test_macros.hpp>

#include "common/bytes.h"
#include "common/pki/authority.h"
#include "common/rpc/loopback.h"
#include "metadata/cluster/layout.h"
#include "tests/support/memory_metadata.h"
#include "tests/support/run.h"
#include "tools/serve/admin_rpc.h"
#include "tools/serve/cluster_health.h"
#include "tools/serve/view_of_state.h"

namespace gabion::test {
namespace {

using serve::Change;
using serve::ChangeKind;
using serve::NodeClusterControl;

constexpr std::uint64_t kDriveBytes = 100 * GiB;

DriveId drive_id(std::uint32_t node, std::uint32_t number) {
  DriveId id;
  id.bytes[0] = static_cast<std::uint8_t>(node);
  id.bytes[1] = static_cast<std::uint8_t>(number);
  return id;
}

metadata::DriveInfo drive_info(std::uint32_t node, std::uint32_t number) {
  metadata::DriveInfo info;
  info.set_id(std::string(drive_id(node, number).raw()));
  info.set_path(fmt::format("/mnt/disk{}", number));
  info.set_weight(100);
  return info;
}

// Six nodes of two drives; this one is n1 and leads.
class Rig {
 public:
  Rig() {
    metadata::ClusterState state;
    state.set_cluster_id(std::string(16, 'c'));
    state.set_data_shards(4);
    state.set_parity_shards(2);
    for (std::uint32_t n = 1; n <= 6; ++n) {
      metadata::NodeInfo node;
      node.set_address(fmt::format("10.0.0.{}:9002", n));
      node.set_metadata(n <= 3);
      node.set_gateway(true);
      node.set_chunkserver(true);
      std::vector<metadata::DriveInfo> drives = {drive_info(n, 1), drive_info(n, 2)};
      // Five nodes are written down; the first ring is made when the sixth comes.
      if (n == 6) {
        auto changed = metadata::cluster::add_node(state, std::move(node), std::move(drives), {});
        GABION_CHECK(changed.has_value(), "twelve drives are enough for 4+2");
        state = std::move(changed->state);
      } else {
        state.set_last_node(n);
        node.set_id(n);
        *state.add_nodes() = node;
        for (auto& drive : drives) {
          drive.set_node(n);
          *state.add_drives() = drive;
        }
      }
      serve::NodeReport report;
      report.node = NodeId{n};
      report.up = true;
      for (std::uint32_t d = 1; d <= 2; ++d) {
        serve::DriveReport heard;
        heard.id = drive_id(n, d);
        heard.up = true;
        heard.capacity = kDriveBytes;
        heard.used = 10 * GiB;
        heard.available = 90 * GiB;
        report.drives.push_back(heard);
      }
      reports.push_back(std::move(report));
    }
    store(state, 0);
  }

  void store(metadata::ClusterState state, std::uint64_t version) {
    metadata::Command command;
    *command.mutable_set_cluster_state()->mutable_state() = std::move(state);
    command.mutable_set_cluster_state()->set_expected_version(version);
    REQUIRE(metadata.apply(std::move(command)).outcome() == metadata::APPLIED);
  }
  metadata::Metadata::VersionedClusterState state() { return *run(metadata.cluster_state({})); }
  Result<serve::Plan> plan(Change change) { return run(control.plan({}, std::move(change))); }
  Result<serve::Applied> apply(Change change, std::string id) { return run(control.apply({}, std::move(change), std::move(id))); }
  serve::ClusterView view() { return *run(control.view({})); }

  RealClock clock;
  SystemRng rng;
  MemoryMetadata metadata{clock};
  std::vector<serve::NodeReport> reports;
  std::vector<std::string> made;  // drives of this node
  serve::AskNode ask = [](Context, NodeId, serve::AdminRequest) -> task<Result<serve::AdminAnswer>> {
    co_return Error(Errc::unavailable, "nobody is asked");
  };
  NodeClusterControl control{options()};

 private:
  task<Result<serve::LocalDriveView>> local_drive(std::string path, serve::ClusterControl::Drive what) {
    if (path != "/mnt/new") co_return Error(Errc::invalid, fmt::format("{} is not an empty directory", path));
    if (what == serve::ClusterControl::Drive::make) made.push_back(path);
    serve::LocalDriveView drive;
    drive.id = drive_id(1, 77);
    drive.path = path;
    drive.weight = 50;
    co_return drive;
  }
  serve::ClusterControlOptions options() {
    serve::ClusterControlOptions out;
    out.self = out.leader = [] { return NodeId{1}; };
    out.reports = [this] { return reports; };
    out.groups = [] { return std::vector<metadata::raft::RaftGroup*>(); };
    out.removing = [](const metadata::ClusterState&) { return std::vector<metadata::GroupId>(); };
    out.statistics = [this](Context ctx, metadata::GroupId) { return metadata.statistics(ctx); };
    out.local_drive = [this](std::string path, serve::ClusterControl::Drive what) { return local_drive(path, what); };
    out.ask = [this](Context ctx, NodeId node, serve::AdminRequest request) { return ask(ctx, node, std::move(request)); };
    out.metadata = &metadata;
    out.clock = &clock;
    out.rng = &rng;
    out.bytes_per_second = 64 * MiB;
    return out;
  }
};

Change of_node(ChangeKind kind, std::uint32_t node) {
  Change change;
  change.kind = kind;
  change.node = NodeId{node};
  return change;
}
Change of_drive(ChangeKind kind, std::string drive, std::string path = "") {
  Change change;
  change.kind = kind;
  change.drive = std::move(drive);
  change.path = std::move(path);
  return change;
}

}  // namespace

TEST_CASE("the view joins the state with what was heard") {
  Rig rig;
  rig.reports[4].up = false;
  rig.reports[4].down_seconds = 30;
  const serve::ClusterView view = rig.view();
  CHECK(view.nodes.size() == 6);
  CHECK(view.nodes[0].up);
  CHECK_FALSE(view.nodes[4].up);
  CHECK(view.nodes[4].down_seconds == 30);
  CHECK(view.drives[0].name == "n1/disk1");
  CHECK(view.drives[0].capacity == kDriveBytes);
  CHECK_FALSE(view.drives[8].up);  // of n5
  CHECK(view.ring.partitions == 1024);
  std::uint32_t places = 0;
  for (const auto& drive : view.drives) places += drive.places;
  CHECK(places == 1024 * 6);
}

TEST_CASE("a node is drained by plan, once") {
  Rig rig;
  const auto plan = rig.plan(of_node(ChangeKind::drain_node, 6));
  REQUIRE(plan.has_value());
  CHECK(plan->before.drives == 12);
  CHECK(plan->after.drives == 10);
  CHECK(plan->after.capacity == 10 * kDriveBytes);
  CHECK(plan->places_moved >= plan->places_minimum);
  CHECK(plan->bytes_to_move > 15 * GiB);  // of 120 GiB a sixth
  CHECK(plan->bytes_to_move < 30 * GiB);
  CHECK(plan->seconds > 0);
  CHECK_FALSE(plan->changes_nothing);
  // Whoever else changes the cluster makes the plan stale.
  rig.store(rig.state().state, rig.state().version);
  const auto stale = rig.apply(of_node(ChangeKind::drain_node, 6), plan->id);
  REQUIRE(stale.has_error());
  CHECK(stale.error().code == Errc::conflict);
  const auto again = rig.plan(of_node(ChangeKind::drain_node, 6));
  CHECK(again->id != plan->id);
  // An id is of one change alone.
  CHECK(rig.apply(of_node(ChangeKind::drain_node, 5), again->id).error().code == Errc::conflict);
  const auto applied = rig.apply(of_node(ChangeKind::drain_node, 6), again->id);
  REQUIRE(applied.has_value());
  REQUIRE(applied->job.has_value());
  const serve::ClusterView view = rig.view();
  CHECK(view.nodes[5].draining);
  CHECK(view.drives[10].draining);
  CHECK(view.jobs.back().id == *applied->job);
  CHECK(view.jobs.back().workers.size() == 6);
  CHECK(rig.plan(of_node(ChangeKind::drain_node, 6))->changes_nothing);
  const auto refused = rig.plan(of_node(ChangeKind::remove_node, 6));
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == Errc::denied);
}

TEST_CASE("a node that held metadata is removed when it has left the group") {
  Rig rig;
  auto current = rig.state();
  for (auto& node : *current.state.mutable_nodes()) {
    if (node.id() == 3) node.set_out(true);
  }
  current.state.clear_previous_rings();
  auto lost = metadata::cluster::mark_node_out(current.state, NodeId{3}, {});
  REQUIRE(lost.has_value());
  lost->state.clear_previous_rings();  // what was on it is elsewhere
  serve::PlanFacts facts;
  facts.members = {NodeId{1}, NodeId{2}, NodeId{3}};
  const auto early = serve::plan_change(lost->state, of_node(ChangeKind::remove_node, 3), std::nullopt, facts);
  REQUIRE(early.has_error());
  CHECK(early.error().code == Errc::denied);
  facts.members = {NodeId{1}, NodeId{2}};
  const auto planned = serve::plan_change(lost->state, of_node(ChangeKind::remove_node, 3), std::nullopt, facts);
  REQUIRE(planned.has_value());
  CHECK(planned->state.nodes_size() == 5);
}

TEST_CASE("a change between plan and commit is a stale plan") {
  Rig rig;
  const auto plan = rig.plan(of_drive(ChangeKind::drain_drive, "n2/disk1"));
  REQUIRE(plan.has_value());
  const auto current = rig.state();
  rig.metadata.before_commit([](const metadata::Command&) { return true; }, [&] { rig.store(current.state, current.version); });
  CHECK(rig.apply(of_drive(ChangeKind::drain_drive, "n2/disk1"), plan->id).error().code == Errc::conflict);
}

TEST_CASE("what would not fit, or what is not there, is refused") {
  Rig rig;
  for (auto& report : rig.reports) {
    for (auto& drive : report.drives) drive.used = 85 * GiB;
  }
  const auto full = rig.plan(of_node(ChangeKind::drain_node, 6));
  REQUIRE(full.has_error());
  CHECK(full.error().code == Errc::denied);
  CHECK(full.error().message == "1020.0 GiB are stored then and the drives that stay have 1000.0 GiB: add drives first");
  CHECK(rig.plan(of_node(ChangeKind::drain_node, 9)).error().code == Errc::not_found);
  CHECK(rig.plan(of_drive(ChangeKind::drain_drive, "n9/disk1")).error().code == Errc::not_found);
  CHECK(rig.plan(of_drive(ChangeKind::drain_drive, drive_id(3, 1).to_hex())).error().code == Errc::denied);
}

TEST_CASE("a drive of this node and of another is added and replaces one") {
  Rig rig;
  Change add = of_node(ChangeKind::add_drive, 1);
  add.path = "/mnt/other";
  CHECK(rig.plan(add).error().code == Errc::invalid);
  add.path = "/mnt/new";
  const auto plan = rig.plan(add);
  REQUIRE(plan.has_value());
  CHECK(rig.made.empty());  // a plan only looks
  REQUIRE(rig.apply(add, plan->id).has_value());
  CHECK(rig.made.size() == 1);
  CHECK(rig.state().state.drives_size() == 13);

  // n4 is another process; here it is a second control behind an RPC channel.
  Rig other;
  serve::AdminApi api(other.control, other.ask);
  class Service final : public rpc::Handler {
   public:
    explicit Service(serve::AdminApi& api) : api_(api) {}
    task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes) override {
      CHECK(method == rpc::Method::admin);
      co_return co_await serve::answer_node(api_, ctx, peer, std::move(header));
    }

   private:
    serve::AdminApi& api_;
  } service(api);
  class OneChannel final : public rpc::Peers {
   public:
    rpc::Channel* channel = nullptr;
    rpc::Channel* find(NodeId node) override { return node == NodeId{4} ? channel : nullptr; }
  } peers;
  const auto asked_by = [&](NodeId caller, Change change) -> Result<serve::Plan> {
    rig.ask = [&, caller](Context, NodeId node, serve::AdminRequest request) -> task<Result<serve::AdminAnswer>> {
      auto executor = co_await asio::this_coro::executor;
      rpc::LoopbackChannel channel(executor, rig.clock, service, rpc::Peer{caller});
      peers.channel = &channel;
      Context ctx;
      ctx.deadline = rig.clock.now() + std::chrono::seconds(10);
      auto answer = co_await serve::ask_node(peers, ctx, node, std::move(request));
      co_await channel.stop();
      co_return answer;
    };
    return rig.plan(std::move(change));
  };
  Change replace = of_drive(ChangeKind::replace_drive, "n4/disk2", "/mnt/new");
  CHECK(asked_by(NodeId{1}, replace).error().code == Errc::already_exists);  // that drive is n1's: the rigs are twins
  replace.path = "/mnt/missing";
  const auto missing = asked_by(NodeId{1}, replace);
  CHECK(missing.error().code == Errc::invalid);
  CHECK(missing.error().message == "n4: /mnt/missing is not an empty directory");
  CHECK(asked_by(NodeId{}, replace).error().code == Errc::denied);  // a stranger
}

TEST_CASE("a drive at the path of a lost one has its name, and the lost one none") {
  Rig rig;
  auto current = rig.state();
  metadata::DriveInfo& lost = *current.state.mutable_drives(0);
  const std::string name = metadata::cluster::drive_name(lost);
  const auto old = *DriveId::from_raw(lost.id());
  metadata::DriveInfo fresh = lost;
  fresh.set_id(std::string(DriveId::random(rig.rng).raw()));
  const auto id = *DriveId::from_raw(fresh.id());
  lost.set_out(true);
  *current.state.add_drives() = fresh;
  CHECK(*serve::find_drive_named(current.state, name) == id);
  CHECK(*serve::find_drive_named(current.state, old.to_hex()) == old);
  rig.store(std::move(current.state), current.version);
  for (const serve::DriveView& drive : rig.view().drives) {
    if (drive.id == id) CHECK(drive.name == name);
    if (drive.id == old) CHECK(drive.name == old.to_hex());
  }
}

TEST_CASE("a split is planned, decided once and seen") {
  Rig rig;
  metadata::Command create;
  create.mutable_create_bucket()->set_name("photos");
  rig.metadata.apply(std::move(create));
  const auto plan = run(rig.control.plan_split({}, {"photos", "m"}));
  REQUIRE(plan.has_value());
  CHECK(plan->split.child == 1);
  CHECK(run(rig.control.begin_split({}, {"photos", "n"}, plan->id)).error().code == Errc::conflict);
  // Whatever else changes meanwhile is no reason to look again.
  rig.store(rig.state().state, rig.state().version);
  const auto begun = run(rig.control.begin_split({}, {"photos", "m"}, plan->id));
  REQUIRE(begun.has_value());
  CHECK(begun->child == 1);
  CHECK(run(rig.control.split({}, 1))->state == serve::SplitState::pending);
  CHECK(run(rig.control.begin_split({}, {"photos", "m"}, plan->id)).error().code == Errc::conflict);
  const auto ranges = run(rig.control.ranges({}));
  REQUIRE(ranges.has_value());
  CHECK(ranges->ranges.size() == 1);
  CHECK(ranges->splits.size() == 1);
  CHECK(ranges->splits[0].at.bucket == "photos");
}

TEST_CASE("a group is handed over by the node that leads it") {
  Rig rig;
  serve::RaftGroupView group;
  group.leader = NodeId{2};
  group.members = {{NodeId{1}, serve::RaftRole::voter, 5}, {NodeId{2}, serve::RaftRole::voter, 5}};
  rig.reports[1].groups = {group};
  std::vector<std::pair<NodeId, std::string>> asked;
  rig.ask = [&](Context, NodeId node, serve::AdminRequest request) -> task<Result<serve::AdminAnswer>> {
    asked.emplace_back(node, request.path + request.body);
    serve::AdminAnswer answer;
    answer.body = "{}";
    co_return answer;
  };
  CHECK(run(rig.control.transfer({}, 0, NodeId{1})).has_value());
  REQUIRE(asked.size() == 1);
  CHECK(asked[0] == std::pair(NodeId{2}, std::string(R"(/admin/v1/self/transfer{"group":0,"to":"n1"})")));
  CHECK(run(rig.control.transfer({}, 0, NodeId{3})).error().code == Errc::denied);
  CHECK(run(rig.control.transfer({}, 7, NodeId{1})).error().code == Errc::not_found);
  rig.reports[1].groups.clear();
  CHECK(run(rig.control.transfer({}, 0, NodeId{1})).error().code == Errc::unavailable);
}

TEST_CASE("a token is kept as its digest, and only by a cluster") {
  Rig rig;
  CHECK(run(rig.control.grant_join({}, std::chrono::seconds(60))).error().code == Errc::denied);
  auto current = rig.state();
  const auto authority = pki::Authority::create(ClusterId{}, rig.clock, rig.rng);
  current.state.set_authority_certificate(authority.certificate());
  auto* old = current.state.add_tokens();
  old->set_sha256(std::string(32, 'x'));
  old->set_expires_us(1);
  rig.store(current.state, current.version);
  const auto grant = run(rig.control.grant_join({}, std::chrono::seconds(60)));
  REQUIRE(grant.has_value());
  CHECK(grant->address == "10.0.0.1:9002");
  const auto state = rig.state().state;
  REQUIRE(state.tokens_size() == 1);  // the expired one is gone
  CHECK(state.tokens(0).sha256() != std::string(32, 'x'));
  CHECK(grant->token.find(state.tokens(0).sha256()) == std::string::npos);
}

TEST_CASE("what nodes report becomes what operators see") {
  metadata::cluster::NodeStatus status;
  status.node = NodeId{3};
  status.down_for = std::chrono::seconds(90);
  auto* group = status.last.add_groups();
  group->set_group(4);
  group->set_last_index(100);
  group->add_members()->set_node(3);
  auto* drive = status.last.add_drives();
  drive->set_id(std::string(drive_id(3, 1).raw()));
  drive->set_failed(true);
  drive->set_total_bytes(kDriveBytes);
  drive->set_shard_bytes(GiB);
  auto* job = status.last.add_jobs();
  job->set_job(5);
  job->set_blocks_done(120);
  job->set_blocks_total(100);
  job->set_finished(true);
  const auto reports = serve::reports_of({status});
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].down_seconds == 90);
  CHECK(reports[0].groups[0].leader == NodeId{3});
  CHECK(reports[0].groups[0].members[0].node == NodeId{3});
  CHECK_FALSE(reports[0].drives[0].up);
  CHECK(reports[0].drives[0].used == GiB);
  CHECK(reports[0].jobs[0].blocks_total == 120);
  // A leader that is new has heard nobody, and takes nobody for down yet.
  metadata::cluster::NodeStatus unheard;
  unheard.down_for = std::chrono::seconds(1);
  CHECK(serve::reports_of({unheard})[0].up);
  unheard.down_for = std::chrono::seconds(6);
  CHECK_FALSE(serve::reports_of({unheard})[0].up);
}

TEST_CASE("jobs: progress of the workers together, and what operators do to them") {
  Rig rig;
  const auto plan = rig.plan(of_drive(ChangeKind::drain_drive, "n1/disk1"));
  const auto applied = rig.apply(of_drive(ChangeKind::drain_drive, "n1/disk1"), plan->id);
  REQUIRE(applied.has_value());
  for (std::size_t i = 0; i < 6; ++i) {
    serve::JobReport progress;
    progress.job = *applied->job;
    progress.blocks_done = i < 3 ? 50 : 100;
    progress.blocks_total = 100;
    progress.bytes_moved = MiB;
    rig.reports[i].jobs.push_back(progress);
  }
  serve::JobView job = rig.view().jobs.back();
  CHECK(job.blocks_done == 450);
  CHECK(job.bytes_moved == 6 * MiB);
  CHECK(job.fraction > 0.74);
  CHECK(job.fraction < 0.751);
  CHECK(job.seconds_left.has_value());
  CHECK(run(rig.control.act_on_job({}, job.id, serve::JobAction::pause)).has_value());
  CHECK(rig.view().jobs.back().state == serve::JobState::paused);
  CHECK(run(rig.control.act_on_job({}, job.id, serve::JobAction::cancel)).has_value());
  CHECK(run(rig.control.act_on_job({}, job.id, serve::JobAction::resume)).error().code == Errc::conflict);
  CHECK(run(rig.control.act_on_job({}, 99, serve::JobAction::pause)).error().code == Errc::not_found);
  const auto scrub = run(rig.control.start_job({}, serve::JobKind::scrub));
  REQUIRE(scrub.has_value());
  CHECK(run(rig.control.start_job({}, serve::JobKind::scrub)).error().code == Errc::conflict);
}

}  // namespace gabion::test
