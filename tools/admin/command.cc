// The command line of `gabion admin`. The only file here that sees CLI11, which takes seconds to compile.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>

#include "common/text.h"
#include "tools/admin/admin.h"
#include "tools/admin/commands.h"
#include "tools/bench/trust.h"

namespace gabion::admin {
namespace {

constexpr std::uint64_t kTokenSeconds = 3600;

// What is given on the command line: one for the whole of `gabion admin`.
struct Given {
  std::string endpoint = "http://127.0.0.1:9001";
  bench::Trust trust;
  Options options;
  std::string wait;  // empty without --wait
  std::uint64_t valid_seconds = kTokenSeconds;
  std::uint64_t group = 0;
  std::string name, path;
  std::string bucket, key;
};

std::string from_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

using Command = std::function<int(Session&)>;

int run_command(Given& given, const Command& command) {
  Terminal terminal = standard_terminal();
  const auto refuse = [&](Exit exit, const std::string& text) {
    terminal.err("gabion admin: " + text + "\n");
    return static_cast<int>(exit);
  };
  const auto endpoint = bench::parse_endpoint(given.endpoint);
  if (!endpoint) {
    return refuse(Exit::usage, "'" + given.endpoint + "' is not an admin port; write http://HOST:PORT or https://HOST:PORT");
  }
  bench::Credentials credentials;
  credentials.access_key = from_environment({"GABION_ROOT_ACCESS_KEY", "AWS_ACCESS_KEY_ID"});
  credentials.secret_key = from_environment({"GABION_ROOT_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"});
  credentials.region = "us-east-1";
  if (credentials.access_key.empty() || credentials.secret_key.empty()) {
    return refuse(Exit::denied, "no credentials; set GABION_ROOT_ACCESS_KEY and GABION_ROOT_SECRET_KEY, or AWS_ACCESS_KEY_ID and "
                                "AWS_SECRET_ACCESS_KEY, to the cluster's root credentials");
  }
  if (!given.wait.empty()) {
    const auto seconds = parse_u64(given.wait);
    if (!seconds) return refuse(Exit::usage, "--wait=" + given.wait + " is not a number of seconds");
    given.options.wait = true;
    given.options.wait_seconds = *seconds;
  }
  std::shared_ptr<asio::ssl::context> tls;
  if (endpoint->secure) {
    auto made = bench::make_tls(given.trust);
    if (!made) return refuse(Exit::usage, made.error().message);
    tls = std::move(*made);
    if (given.trust.insecure) terminal.err("gabion admin: warning: --insecure: the server's certificate is not verified\n");
  }
  RealClock clock;
  Client client(*endpoint, std::move(credentials), clock, std::move(tls));
  Session session(client, terminal, given.options, clock);
  return command(session);
}

class Builder {
 public:
  Builder(CLI::App& app, std::function<int()>& run) : app_(app), run_(run), given_(std::make_shared<Given>()) {}

  void build();

 private:
  CLI::App* noun(const char* name, const char* help);
  CLI::App* verb(CLI::App* parent, const char* name, const char* help, Command command);
  void plan_flags(CLI::App* command);
  void wait_flag(CLI::App* command);
  void cluster();
  void node();
  void drive();
  void ring();
  void background();
  void job();
  void range();
  void raft();

  CLI::App& app_;
  std::function<int()>& run_;
  std::shared_ptr<Given> given_;
};

CLI::App* Builder::noun(const char* name, const char* help) {
  CLI::App* added = app_.add_subcommand(name, help);
  added->require_subcommand(1);
  return added;
}

CLI::App* Builder::verb(CLI::App* parent, const char* name, const char* help, Command command) {
  CLI::App* added = parent->add_subcommand(name, help);
  added->callback([this_run = &run_, given = given_, command = std::move(command)] {
    *this_run = [given, command] { return run_command(*given, command); };
  });
  return added;
}

void Builder::wait_flag(CLI::App* command) {
  command->add_flag("--wait{0}", given_->wait, "follow it to its end; --wait=SECONDS gives up watching after that time");
}

void Builder::plan_flags(CLI::App* command) {
  auto* yes = command->add_flag("-y,--yes", given_->options.yes, "apply without asking");
  auto* plan = command->add_option("--plan-id", given_->options.plan_id, "apply what this plan showed, or nothing");
  plan->excludes(yes);
  command->add_flag("--dry-run", given_->options.dry_run, "show the plan and change nothing")->excludes(yes)->excludes(plan);
  wait_flag(command);
}

void Builder::cluster() {
  CLI::App* parent = noun("cluster", "The cluster as a whole");
  verb(parent, "status", "Nodes, drives, health, jobs", cluster_status);
  auto* init = verb(parent, "init", "Make a cluster of a node that is alone, so that others can join",
                    [given = given_](Session& session) { return cluster_init(session, given->path); });
  init->add_option("--listen", given_->path, "ADDRESS:PORT of its cluster port, unless the node's configuration names it");
  auto* token = verb(parent, "token", "Print a token with which one node may join, once",
                     [given = given_](Session& session) { return cluster_token(session, given->valid_seconds); });
  token->add_option("--valid", given_->valid_seconds, "seconds until it expires")->capture_default_str();
}

void Builder::node() {
  CLI::App* parent = noun("node", "The nodes");
  verb(parent, "ls", "List them", node_list);
  auto* add = verb(parent, "add", "Print the command that makes a machine a node of this cluster",
                   [given = given_](Session& session) { return node_add(session, given->valid_seconds); });
  add->add_option("--valid", given_->valid_seconds, "seconds until its token expires")->capture_default_str();
  const auto change = [&](const char* name, Verb what, const char* help) {
    auto* command = verb(parent, name, help,
                         [given = given_, what](Session& session) { return node_change(session, what, given->name); });
    command->add_option("NODE", given_->name, "as n3")->required();
    plan_flags(command);
  };
  change("drain", Verb::drain, "Move everything off a node");
  change("undrain", Verb::undrain, "Let a draining node take data again");
  change("remove", Verb::remove, "Forget a node that was drained");
}

void Builder::drive() {
  CLI::App* parent = noun("drive", "The drives");
  verb(parent, "ls", "List them", drive_list);
  auto* add = verb(parent, "add", "Give a node another drive, while it runs",
                   [given = given_](Session& session) { return drive_add(session, given->name, given->path); });
  add->add_option("NODE", given_->name, "as n3")->required();
  add->add_option("PATH", given_->path, "an empty directory on that node")->required();
  plan_flags(add);
  const auto change = [&](const char* name, Verb what, const char* help) {
    auto* command = verb(parent, name, help,
                         [given = given_, what](Session& session) { return drive_change(session, what, given->name); });
    command->add_option("DRIVE", given_->name, "as n3/disk1, or its id")->required();
    plan_flags(command);
  };
  change("drain", Verb::drain, "Move everything off a drive");
  change("undrain", Verb::undrain, "Let a draining drive take data again");
  change("remove", Verb::remove, "Forget a drive that was drained");
  auto* replace = verb(parent, "replace", "Put an empty drive in the place of a lost one",
                       [given = given_](Session& session) { return drive_replace(session, given->name, given->path); });
  replace->add_option("DRIVE", given_->name, "as n3/disk1, or its id")->required();
  replace->add_option("--with", given_->path, "an empty directory on the same node")->required();
  plan_flags(replace);
}

void Builder::ring() {
  CLI::App* parent = noun("ring", "Which drives hold what");
  verb(parent, "show", "Places and share of each drive", ring_show);
  auto* rebalance = verb(parent, "rebalance", "Spread the data as the drives' weights want it", ring_rebalance);
  plan_flags(rebalance);
}

void Builder::background() {
  verb(&app_, "capacity", "Space by node, raw and for objects", capacity);
  CLI::App* repair = noun("repair", "Shards that are missing");
  verb(repair, "status", "What waits and what is under way", repair_status);
  CLI::App* scrub = noun("scrub", "Reading everything to find what rots");
  auto* start = verb(scrub, "start", "Read and verify every shard", scrub_start);
  wait_flag(start);
  verb(scrub, "status", "The last one", scrub_status);
  CLI::App* orphans = noun("orphans", "Shards that nothing refers to, as writes leave them that did not happen");
  wait_flag(verb(orphans, "start", "Look for them and remove them", orphans_start));
  verb(orphans, "status", "The last time", orphans_status);
}

void Builder::job() {
  CLI::App* parent = noun("job", "Long operations");
  verb(parent, "ls", "List them", job_list);
  const auto named = [&](const char* name, const char* help, int (*command)(Session&, const std::string&)) {
    auto* added =
        verb(parent, name, help, [given = given_, command](Session& session) { return command(session, given->name); });
    added->add_option("JOB", given_->name, "as J-12")->required();
    return added;
  };
  named("show", "Show one", job_show);
  wait_flag(named("watch", "Follow one to its end", job_watch));
  const auto act = [&](const char* action, const char* help) {
    auto* added = verb(parent, action, help, [given = given_, action](Session& session) {
      return job_act(session, given->name, action);
    });
    added->add_option("JOB", given_->name, "as J-12")->required();
  };
  act("pause", "Stop one for a while");
  act("resume", "Go on with one");
  act("cancel", "End one before its time");
}

void Builder::range() {
  CLI::App* parent = noun("range", "The ranges of keys and the groups of the metadata that have them");
  verb(parent, "ls", "List them", range_list);
  auto* split = verb(parent, "split", "Let a new group take over a range's keys from one on",
                     [given = given_](Session& session) { return range_split(session, given->bucket, given->key); });
  split->add_option("--bucket", given_->bucket, "whose keys")->required();
  split->add_option("--key", given_->key, "the first that the new group has; without it all of the bucket and what is after it");
  plan_flags(split);
}

void Builder::raft() {
  CLI::App* parent = noun("raft", "The replicas of the metadata");
  verb(parent, "status", "Leader, members and how far they are", raft_status);
  auto* transfer = verb(parent, "transfer", "Let another member lead",
                        [given = given_](Session& session) { return raft_transfer(session, given->group, given->name); });
  transfer->add_option("--to,NODE", given_->name, "as n3")->required();
  transfer->add_option("--group", given_->group, "of the metadata")->capture_default_str();
}

void Builder::build() {
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.add_option("--endpoint", given_->endpoint, "admin port of any node")
      ->envname("GABION_ADMIN_ENDPOINT")
      ->capture_default_str();
  auto* ca_file = app_.add_option("--ca-file", given_->trust.ca_file, "PEM file of authorities to believe besides the system's");
  ca_file->envname("GABION_ADMIN_CA_FILE");
  app_.add_flag("--insecure", given_->trust.insecure, "accept any certificate of an https endpoint");
  app_.add_flag("--json", given_->options.json, "print JSON");
  app_.add_flag("--bytes", given_->options.bytes, "sizes as plain numbers");
  app_.add_flag("--quiet", given_->options.quiet, "no remarks and no progress");
  app_.footer(
      "Credentials are the cluster's root credentials: GABION_ROOT_ACCESS_KEY and GABION_ROOT_SECRET_KEY, or AWS_ACCESS_KEY_ID\n"
      "and AWS_SECRET_ACCESS_KEY. Exit codes: 0 done, 1 nothing to do or not applied, 2 usage, 3 not allowed, 4 not found,\n"
      "5 refused for safety, 6 stale plan or conflict, 7 still running, 9 cluster unavailable, 10 job failed, 130 interrupted.");
  cluster();
  node();
  drive();
  ring();
  background();
  job();
  range();
  raft();
}

}  // namespace

void add_admin_command(CLI::App& app, std::function<int()>& run) {
  Builder(*app.add_subcommand("admin", "Operate a cluster"), run).build();
}

}  // namespace gabion::admin
