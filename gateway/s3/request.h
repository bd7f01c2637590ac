// Request is what is known of one S3 request before any operation runs: which bucket and key it names, its decoded
// query, who sent it, and where its answer goes. One per request, on one task; `exchange` must outlive it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/exchange.h"
#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/auth/uri.h"
#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

struct Route;

// What a request is about: the service (no bucket), a bucket (no key) or an object.
struct Target {
  Target() = default;
  std::string bucket;
  std::string key;
  bool virtual_host = false;
};

// Takes the decoded path apart. The Host decides first: below one of `domains`, the rest of it is the bucket.
S3Result<Target> find_target(std::string_view path, std::string_view host, const std::vector<std::string>& domains);

struct Request {
  explicit Request(http::Exchange& e) : exchange(e), head(e.head()), context(e.context()) {}

  // A parameter of the query; the first of a repeated name counts.
  const std::string* find_parameter(std::string_view name) const;
  std::string_view parameter(std::string_view name) const;  // empty when absent
  bool has_parameter(std::string_view name) const { return find_parameter(name) != nullptr; }
  // A header by its lower-case name. Presigned SigV4 URLs may carry x-amz-* headers in their query, as SDKs put them
  // there; they count as if they were sent as headers, because they are signed.
  const std::string* find_header(std::string_view name) const;
  std::string_view header(std::string_view name) const;  // empty when absent
  bool has_header(std::string_view name) const { return find_header(name) != nullptr; }
  // Moves the x-amz-* headers of a presigned query into `hoisted`. Checksums there are ignored: the JavaScript SDK
  // presigns the checksum of an empty body.
  void hoist_headers();

  http::Exchange& exchange;
  const http::RequestHead& head;
  Context context;
  RequestTarget uri;
  Target target;
  Authentication authentication;
  std::vector<http::Header> hoisted;
  const Route* route = nullptr;
};

}  // namespace gabion::gateway::s3
