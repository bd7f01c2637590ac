// The target of a request, taken apart once: the path as bytes, the parameters in the order sent, and the two canonical
// forms that signatures cover. Written by hand because clients send raw UTF-8, '|', '[' and the like, which URL libraries
// refuse. Plain values; pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

struct QueryParameter {
  std::string name;           // decoded
  std::string value;          // decoded; '+' is a space
  std::string_view raw_name;  // as sent: views into the target that was parsed
  std::string_view raw_value;
};

struct RequestTarget {
  // InvalidURI for a malformed escape, a path that is not UTF-8 or holds NUL, or one that does not start with '/'.
  // `target` must outlive the result.
  static S3Result<RequestTarget> parse(std::string_view target);

  std::string path;           // decoded once; '+' is a plus; nothing is normalised
  std::string_view raw_path;  // as sent
  std::vector<QueryParameter> query;

  // The first parameter of this name, or nullptr.
  const QueryParameter* find(std::string_view name) const;
};

// The path encoded once as SigV4 demands for S3: everything but A-Z a-z 0-9 - _ . ~ / is escaped, no segment is resolved.
std::string canonical_path(const RequestTarget& target);
// Parameters sorted by encoded name, then encoded value; a name without '=' gets one. Parameters named `without` are left
// out.
std::string canonical_query(const RequestTarget& target, std::string_view without = {});

// The bucket that a Host names when it is below one of the domains (the longest that matches): "bucket" for
// "bucket.s3.example.com:9000" below "s3.example.com". The port and the case of the domain do not matter.
std::optional<std::string> bucket_of_host(std::string_view host, const std::vector<std::string>& domains);

}  // namespace gabion::gateway::s3
