// `gabion admin` against the API over HTTP: the screens for people, the lines for scripts, the exit codes.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "fake_control.h"
#include "gateway/http/server.h"
#include "tools/admin/commands.h"
#include "tools/serve/admin_front.h"

namespace gabion::test {
namespace {

using admin::Exit;

class RootUser final : public gateway::s3::CredentialSource {
 public:
  std::optional<gateway::s3::Credential> find(std::string_view access_key) const override {
    if (access_key != "root") return std::nullopt;
    gateway::s3::Credential credential;
    credential.access_key = "root";
    credential.secret_key = "secret-of-the-root";
    return credential;
  }
};

// Real signatures need the real time; what is shown as "90s ago" counts from the time of the example.
class ExampleClock final : public Clock {
 public:
  TimePoint now() const override { return real_.now(); }
  WallMicros wall() const override { return kTestTime; }
  task<void> sleep(Duration duration) override { return real_.sleep(duration); }

 private:
  RealClock real_;
};

class Rig {
 public:
  Rig() : thread_([this] { io_.run(); }) {
    gateway::http::ServerOptions listening;
    listening.address.host = "127.0.0.1";
    listening.sweep_interval = std::chrono::milliseconds(20);
    server_ = std::make_unique<gateway::http::HttpServer>(std::vector<Executor>{io_.get_executor()}, clock, rng_, front_,
                                                          listening, metrics_);
    port = *server_->start();
    terminal.out = [this](std::string_view text) { out += text; };
    terminal.err = [this](std::string_view text) { err += text; };
    terminal.out_is_terminal = true;
    terminal.confirm = [this](std::string_view) { return says_yes; };
  }
  ~Rig() {
    block_on(io_.get_executor(), server_->stop(Duration::zero()));
    work_.reset();
    thread_.join();
  }

  template <class Command, class... Arguments>
  Exit admin(Command command, Arguments... arguments) {
    out.clear();
    err.clear();
    bench::Endpoint endpoint = *bench::parse_endpoint(fmt::format("http://127.0.0.1:{}", port));
    admin::Client client(endpoint, {.access_key = "root", .secret_key = secret, .region = "us-east-1"}, clock);
    admin::Session session(client, terminal, options, clock);
    return static_cast<Exit>(command(session, arguments...));
  }

  FakeControl control;
  std::string secret = "secret-of-the-root";
  std::uint16_t port = 0;
  admin::Options options;
  admin::Terminal terminal;
  bool says_yes = false;
  std::string out, err;
  ExampleClock clock;

 private:
  SystemRng rng_;
  serve::AdminApi api_{control, [](Context, NodeId, serve::AdminRequest) -> task<Result<serve::AdminAnswer>> {
                         co_return Error(Errc::unavailable, "nobody is asked");
                       }};
  RootUser users_;
  serve::AdminFront front_{api_, users_, "us-east-1", clock};
  gateway::http::HttpMetrics metrics_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
  std::unique_ptr<gateway::http::HttpServer> server_;
};

}  // namespace

TEST_CASE("the status of a cluster for people") {
  Rig rig;
  CHECK(rig.admin(admin::cluster_status) == Exit::ok);
  CHECK(rig.out ==
        "cluster   00112233   HEALTH_WARN   5/6 nodes   5/6 drives   leader n2\n"
        "metadata  3/3 members   3 buckets   about 1204 objects\n"
        "data      60.0 GiB used of 600.0 GiB raw (10.0%)   4+2   ring epoch 9\n"
        "warn      NODE_DOWN  n5 is down for 12m  → start it, or give it up: gabion admin node drain n5\n"
        "warn      REPAIR_WAITING  12 blocks wait for repair\n"
        "job       J-7 rebalance  ███████████░░░░░░░░░ 57.3%  3.0 GiB moved  128.0 MiB/s  ETA 2m   node n4 added\n");
}

TEST_CASE("the status of a cluster for scripts") {
  Rig rig;
  rig.terminal.out_is_terminal = false;
  CHECK(rig.admin(admin::cluster_status) == Exit::ok);
  CHECK(rig.out ==
        "cluster\t00112233445566778899aabbccddeeff\nhealth\twarn\nleader\tn2\nstorageClass\t4+2\nnodes\t6\nnodesUp\t5\n"
        "drives\t6\ndrivesUp\t5\nmetadataMembers\t3\n"
        "metadataMembersUp\t3\ngroups\t0\ngroupsLed\t0\nringEpoch\t9\nbuckets\t3\nobjects\t1204\n"
        "repairWaitingBlocks\t12\nrawBytes\t644245094400\nusedBytes\t64424509440\navailableBytes\t579820584960\n");
}

TEST_CASE("nodes as a table and as lines") {
  Rig rig;
  rig.control.cluster.nodes.resize(2);
  CHECK(rig.admin(admin::node_list) == Exit::ok);
  CHECK(rig.out ==
        "NODE  STATE       ROLES                         DOMAIN  DRIVES  CAPACITY   USED      CLUSTER        S3             "
        "       ADMIN\n"
        "n1    up          gateway,metadata,chunkserver  east    1/1     100.0 GiB  10.0 GiB  10.0.0.1:9002  http://10.0.0.1"
        ":9000  10.0.0.1:9001\n"
        "n2    up, leader  gateway,metadata,chunkserver  east    1/1     100.0 GiB  10.0 GiB  10.0.0.2:9002  http://10.0.0.2"
        ":9000  10.0.0.2:9001\n");
  rig.terminal.out_is_terminal = false;
  rig.options.bytes = true;
  CHECK(rig.admin(admin::node_list) == Exit::ok);
  CHECK(rig.out ==
        "n1\tup\tgateway,metadata,chunkserver\teast\t1/1\t107374182400\t10737418240\t10.0.0.1:9002\t"
        "http://10.0.0.1:9000\t10.0.0.1:9001\n"
        "n2\tup, leader\tgateway,metadata,chunkserver\teast\t1/1\t107374182400\t10737418240\t10.0.0.2:9002\t"
        "http://10.0.0.2:9000\t10.0.0.2:9001\n");
  rig.options.json = true;
  CHECK(rig.admin(admin::node_list) == Exit::ok);
  CHECK(boost::json::parse(rig.out).at("kind") == "NodeList");
}

TEST_CASE("drives, ring, capacity, raft") {
  Rig rig;
  rig.control.cluster.drives.resize(1);
  CHECK(rig.admin(admin::drive_list) == Exit::ok);
  CHECK(rig.out ==
        "DRIVE     STATE  CAPACITY   USED      FREE      SHARDS  PLACES  WEIGHT  PATH        ID\n"
        "n1/disk1  up     100.0 GiB  10.0 GiB  90.0 GiB  5000    1024    100.0   /mnt/disk1  01000000000000000000000000000000\n");
  CHECK(rig.admin(admin::ring_show) == Exit::ok);
  CHECK(rig.out ==
        "epoch 9   1024 partitions of 6 places   imbalance 1.2%   0 crowded rows\n"
        "blocks of epoch 8 are still being moved\n"
        "DRIVE     STATE  WEIGHT  PLACES  SHARE\n"
        "n1/disk1  up     100.0   1024    16.7%\n");
  rig.control.cluster.nodes.resize(1);
  CHECK(rig.admin(admin::capacity) == Exit::ok);
  CHECK(rig.out ==
        "NODE   RAW        USED      USED%  FREE      FREE AT 4+2\n"
        "n1     100.0 GiB  10.0 GiB  10.0%  90.0 GiB  60.0 GiB\n"
        "total  100.0 GiB  10.0 GiB  10.0%  90.0 GiB  60.0 GiB\n");
  // A new leader knows of no figures before the node has reported to it.
  rig.control.cluster.drives[0].capacity = 0;
  CHECK(rig.admin(admin::drive_list) == Exit::ok);
  CHECK(rig.out ==
        "DRIVE     STATE  CAPACITY  USED  FREE  SHARDS  PLACES  WEIGHT  PATH        ID\n"
        "n1/disk1  up     -         -     -     -       1024    100.0   /mnt/disk1  01000000000000000000000000000000\n");
  CHECK(rig.admin(admin::capacity) == Exit::ok);
  CHECK(rig.out ==
        "NODE   RAW  USED  USED%  FREE  FREE AT 4+2\n"
        "n1     -    -     -      -     -\n"
        "total  -    -     -      -     -\n");
  CHECK(rig.admin(admin::raft_status) == Exit::ok);
  CHECK(rig.out ==
        "GROUP  TERM  COMMITTED  APPLIED  MEMBER  ROLE     MATCHED  BEHIND\n"
        "0      5     998        997      n1      voter    1000     0\n"
        "0      5     998        997      n2      leader   1000     0\n"
        "0      5     998        997      n3      standby  900      100\n"
        "0      5     998        997      n4      spare    -        -\n");
  CHECK(rig.admin(admin::raft_transfer, std::uint64_t{0}, "n3") == Exit::ok);
  CHECK(rig.out == "leader\tn3\n");
}

TEST_CASE("a plan is shown and nothing done without a yes") {
  Rig rig;
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::no_change);
  CHECK(rig.out ==
        "drain node n4: 1 drive\n"
        "PLAN 29-0     now        after\n"
        "drives        6          5\n"
        "capacity      600.0 GiB  500.0 GiB\n"
        "imbalance     1.2%       1.2%\n"
        "crowded rows  0          0\n"
        "to move       10.0 GiB (17.3% of all places; at least 16.7%)   about 2m\n"
        "warning       5 drives hold 4+2 only when two shards share a drive's node\n");
  CHECK(rig.err == "Apply:  gabion admin node drain n4 --plan-id 29-0\n");
  rig.options.dry_run = true;
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::ok);
  CHECK(rig.err.empty());
  CHECK(rig.control.cluster.version == 41);
}

TEST_CASE("a plan is applied when the user says so, by its id or with --yes") {
  Rig rig;
  rig.says_yes = true;
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::ok);
  CHECK(rig.out.ends_with("J-8\n"));
  rig.says_yes = false;
  rig.options.plan_id = "29-0";  // of the version before
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::conflict);
  CHECK(rig.err == "gabion admin: the plan is stale: the cluster has changed since; plan again\n");
  rig.options.plan_id = "2a-0";
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::ok);
  rig.options.plan_id.clear();
  rig.options.yes = true;
  rig.options.json = true;
  CHECK(rig.admin(admin::drive_change, admin::Verb::drain, "n4/disk1") == Exit::ok);
  CHECK(boost::json::parse(rig.out).at("job") == "J-10");
  rig.options.json = false;
  CHECK(rig.admin(admin::ring_rebalance) == Exit::no_change);
  CHECK(rig.err == "nothing to do: the ring is as good as it can be\n");
}

TEST_CASE("refusals and errors have their exit codes and one line") {
  Rig rig;
  CHECK(rig.admin(admin::node_change, admin::Verb::remove, "n4") == Exit::refused);
  CHECK(rig.err == "gabion admin: REFUSED n4 still holds 10 GiB; drain it first: gabion admin node drain n4\n");
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n9") == Exit::not_found);
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "nine") == Exit::usage);
  CHECK(rig.admin(admin::job_show, "J-99") == Exit::not_found);
  rig.control.broken = Error(Errc::unavailable, "no leader");
  CHECK(rig.admin(admin::node_list) == Exit::unavailable);
  rig.secret = "wrong";
  CHECK(rig.admin(admin::node_list) == Exit::denied);
  const std::uint16_t port = rig.port;
  rig.port = 1;
  CHECK(rig.admin(admin::node_list) == Exit::unavailable);
  rig.port = port;
}

TEST_CASE("a job is followed to its end") {
  Rig rig;
  rig.control.job_step = 200;
  CHECK(rig.admin(admin::job_watch, "J-7") == Exit::ok);
  CHECK(rig.err.find("\"fraction\":7.73E-1") != std::string::npos);  // a line of JSON, as no terminal watches
  CHECK(rig.err.ends_with("J-7 is done\n"));
  rig.terminal.err_is_terminal = true;
  rig.control.cluster.jobs[0].state = serve::JobState::running;
  rig.control.cluster.jobs[0].blocks_done = 573;
  CHECK(rig.admin(admin::job_watch, "J-7") == Exit::ok);
  CHECK(rig.err.find("J-7 rebalance  ███████████████░░░░░ 77.3%") != std::string::npos);
  rig.control.cluster.jobs[0].failed_blocks = 3;
  CHECK(rig.admin(admin::job_watch, "J-7") == Exit::job_failed);
  rig.control.cluster.jobs[0].state = serve::JobState::cancelled;
  CHECK(rig.admin(admin::job_watch, "J-7") == Exit::job_failed);
  rig.control.cluster.jobs[0].state = serve::JobState::paused;
  rig.options.wait_seconds = 1;
  CHECK(rig.admin(admin::job_watch, "J-7") == Exit::timeout);
}

TEST_CASE("a change that is waited for") {
  Rig rig;
  rig.options.yes = true;
  rig.options.wait = true;
  rig.control.job_step = 60;
  rig.control.leaving = NodeId{4};
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::ok);
  CHECK(rig.err.ends_with("J-8 is done\n"));
}

TEST_CASE("a drain that is waited for ends when the node can be removed: it has left the metadata's groups as well") {
  Rig rig;
  rig.options.yes = true;
  rig.options.wait = true;
  rig.options.wait_seconds = 1;
  rig.control.job_step = 60;
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::timeout);
  CHECK(rig.err.find("J-8 is done\n") != std::string::npos);
  rig.options.wait_seconds = 0;
  rig.terminal.err_is_terminal = true;
  rig.control.leaving = NodeId{4};
  rig.control.looks_until_left = 1;
  CHECK(rig.admin(admin::node_change, admin::Verb::drain, "n4") == Exit::ok);
  CHECK(rig.err.find("n4 is a member of 1 groups of the metadata") != std::string::npos);
  CHECK(rig.control.looks_until_left < 0);
}

TEST_CASE("ranges as a table and as lines") {
  Rig rig;
  CHECK(rig.admin(admin::range_list) == Exit::ok);
  CHECK(rig.out ==
        "START          END            GROUP  LEADER  MEMBERS   OBJECTS  STATE\n"
        "-              photos/2026/m  0      n2      n1,n2,n3  1000     removing what moved\n"
        "photos/2026/m  -              1      -       -         -        splitting at deleted-bucket-9/ for group 2\n");
  rig.terminal.out_is_terminal = false;
  CHECK(rig.admin(admin::range_list) == Exit::ok);
  CHECK(rig.out.starts_with("-\tphotos/2026/m\t0\tn2\tn1,n2,n3\t1000\tremoving what moved\n"));
  rig.options.json = true;
  CHECK(rig.admin(admin::range_list) == Exit::ok);
  CHECK(boost::json::parse(rig.out).at("kind") == "RangeList");
}

TEST_CASE("a split is shown, decided and followed") {
  Rig rig;
  CHECK(rig.admin(admin::range_split, "photos", "a\tb") == Exit::no_change);
  CHECK(rig.out ==
        "split the range of group 0 at photos/a%09b\n"
        "PLAN 5b117           start         end\n"
        "now    group 0       -             photos/2026/m\n"
        "after  group 0       -             photos/a%09b\n"
        "after  group 3, new  photos/a%09b  photos/2026/m\n"
        "objects       about 1000 in the range; no data moves\n"
        "groups        4 of at most 64 afterwards; ranges cannot be merged again\n");
  rig.options.yes = true;
  CHECK(rig.admin(admin::range_split, "photos", "a") == Exit::ok);
  CHECK(rig.out == "3\n");
  CHECK(rig.admin(admin::range_split, "photos", "2026/m") == Exit::refused);
  CHECK(rig.admin(admin::range_split, "music", "") == Exit::not_found);
  rig.options.wait = true;
  rig.terminal.err_is_terminal = true;
  CHECK(rig.admin(admin::range_split, "photos", "a") == Exit::ok);
  CHECK(rig.err.find("group 3 is being made") != std::string::npos);
  CHECK(rig.err.find("group 3 has its keys; group 0 and it remove what is not their own") != std::string::npos);
  CHECK(rig.err.ends_with("group 3 has its keys\n"));
  rig.control.split_state = serve::SplitState::pending;
  rig.options.yes = false;
  rig.options.plan_id = "older";
  CHECK(rig.admin(admin::range_split, "photos", "a") == Exit::conflict);
}

TEST_CASE("jobs, scrub and repair") {
  Rig rig;
  CHECK(rig.admin(admin::job_list) == Exit::ok);
  CHECK(rig.out ==
        "JOB  TYPE       STATE    DONE   FAILED  STARTED  REASON\n"
        "J-7  rebalance  running  57.3%  0       1m ago   node n4 added\n");
  CHECK(rig.admin(admin::job_show, "J-7") == Exit::ok);
  CHECK(rig.out ==
        "J-7 rebalance  ███████████░░░░░░░░░ 57.3%  3.0 GiB moved  128.0 MiB/s  ETA 2m\n"
        "reason    node n4 added\n"
        "started   1m ago\n"
        "blocks    573 of 1000, 0 failed\n"
        "workers   n1 (finished), n2\n");
  CHECK(rig.admin(admin::job_act, "J-7", "pause") == Exit::ok);
  CHECK(rig.out == "paused\n");
  CHECK(rig.admin(admin::scrub_status) == Exit::ok);
  CHECK(rig.out == "no scrub has run; start one: gabion admin scrub start\n");
  CHECK(rig.admin(admin::scrub_start) == Exit::ok);
  CHECK(rig.out == "J-8\n");
  CHECK(rig.admin(admin::scrub_start) == Exit::conflict);
  CHECK(rig.admin(admin::repair_status) == Exit::ok);
  CHECK(rig.out.starts_with("12 blocks are known to miss shards and wait for repair\nJ-7 rebalance"));
}

TEST_CASE("a node is added by a command to copy") {
  Rig rig;
  CHECK(rig.admin(admin::node_add, std::uint64_t{3600}) == Exit::ok);
  CHECK(rig.out == "gabion serve --join 10.0.0.2:9002 --token c2VjcmV0 --cluster-listen ADDRESS:9002 DRIVE...\n");
  CHECK(rig.admin(admin::cluster_token, std::uint64_t{60}) == Exit::ok);
  CHECK(rig.out == "c2VjcmV0\n");
  CHECK(rig.admin(admin::cluster_init, "") == Exit::conflict);
  rig.control.cluster.clustered = false;
  CHECK(rig.admin(admin::cluster_init, "") == Exit::ok);
}

}  // namespace gabion::test
