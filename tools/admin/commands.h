// The commands of `gabion admin`, one noun a file; each prints its result and gives the exit code. command.cc is their
// command line.
#pragma once

#include <string>

#include "tools/admin/session.h"

namespace gabion::admin {

int cluster_status(Session& session);
int cluster_init(Session& session, const std::string& listen);
int cluster_token(Session& session, std::uint64_t valid_seconds);

int node_list(Session& session);
int node_add(Session& session, std::uint64_t valid_seconds);
enum class Verb { drain, undrain, remove };
int node_change(Session& session, Verb verb, const std::string& node);

int drive_list(Session& session);
int drive_change(Session& session, Verb verb, const std::string& drive);
int drive_add(Session& session, const std::string& node, const std::string& path);
int drive_replace(Session& session, const std::string& drive, const std::string& path);

int ring_show(Session& session);
int ring_rebalance(Session& session);

int capacity(Session& session);

int repair_status(Session& session);

int scrub_status(Session& session);
int scrub_start(Session& session);
int orphans_status(Session& session);
int orphans_start(Session& session);

int job_list(Session& session);
int job_show(Session& session, const std::string& job);
int job_watch(Session& session, const std::string& job);
int job_act(Session& session, const std::string& job, const std::string& action);  // pause, resume, cancel

int range_list(Session& session);
int range_split(Session& session, const std::string& bucket, const std::string& key);

int raft_status(Session& session);
int raft_transfer(Session& session, std::uint64_t group, const std::string& to);

}  // namespace gabion::admin
