// The table of every operation that S3 knows: how a request selects it, and what runs it. Those without a function are
// answered with NotImplemented. The table is data, and docs/s3-compatibility.md is written from it. Immutable.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gateway/s3/operations.h"

namespace gabion::gateway::s3 {

enum class Level : std::uint8_t { service, bucket, object };
std::string_view resource_type(Level level);  // "SERVICE", as error bodies name it

enum class Support : std::uint8_t {
  full,
  partial,  // `note` says what is missing
  fixed,    // always the same truthful answer
  none,     // 501 NotImplemented
};

struct Route {
  std::string_view name;
  Level level = Level::service;
  std::string_view method;
  std::string_view query;   // the sub-resource that selects it; empty for the plain operation
  std::string_view header;  // the header that selects it, where the sub-resource alone does not
  Support support = Support::none;
  Operation run = nullptr;
  std::string_view note;
};

std::span<const Route> routes();
std::size_t route_index(const Route& route);

Level level_of(const Target& target);
bool is_known_method(std::string_view method);

// The operation a request asks for. MethodNotAllowed when S3 has none for this method and resource; InvalidArgument for
// several sub-resources at once.
S3Result<const Route*> find_route(const Request& request);

// The generated part of docs/s3-compatibility.md.
std::string compatibility_markdown();

}  // namespace gabion::gateway::s3
