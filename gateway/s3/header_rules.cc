#include "gateway/s3/header_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

enum class Match { exact, prefix };

// A header and the values of it that hold as things are; every other value is refused.
struct Rule {
  std::string_view name;
  Match match = Match::exact;
  std::string_view accepted;  // comma-separated; "" accepts nothing, except an empty value where `empty_is_absent`
  bool empty_is_absent = false;
  std::string_view why;
};

constexpr Rule kRules[] = {
    {"x-amz-server-side-encryption", Match::exact, "AES256", false, "all data is encrypted with AES-256 always"},
    {"x-amz-server-side-encryption-aws-kms-key-id", Match::exact, "", false, "no external key service yet"},
    {"x-amz-server-side-encryption-context", Match::exact, "", false, "no external key service yet"},
    {"x-amz-server-side-encryption-bucket-key-enabled", Match::exact, "false", false, "no external key service yet"},
    {"x-amz-server-side-encryption-customer-", Match::prefix, "", false, "no keys of the client's yet (SSE-C)"},
    {"x-amz-copy-source-server-side-encryption-customer-", Match::prefix, "", false, "no keys of the client's yet (SSE-C)"},
    {"x-amz-acl", Match::exact, "private", false, "everything is private to its owner"},
    {"x-amz-grant-", Match::prefix, "", false, "everything is private to its owner"},
    {"x-amz-object-ownership", Match::exact, "BucketOwnerEnforced", false, "the bucket's owner owns everything in it"},
    {"x-amz-bucket-object-lock-enabled", Match::exact, "false", false, "no object lock yet"},
    {"x-amz-object-lock-", Match::prefix, "", false, "no object lock yet"},
    {"x-amz-bucket-namespace", Match::exact, "global", false, "one namespace"},
    {"x-amz-tagging", Match::exact, "", true, "no object tags yet"},
    {"x-amz-tagging-directive", Match::exact, "COPY,REPLACE", false, "no object tags yet, so both give none"},
    {"x-amz-website-redirect-location", Match::exact, "", false, "no website hosting yet"},
    {"x-amz-write-offset-bytes", Match::exact, "", false, "no appends yet"},
    {"x-amz-mfa", Match::exact, "", false, "no versioning yet"},
    {"x-amz-if-match-initiated-time", Match::exact, "", false, "of directory buckets"},
    {"x-amz-rename-source", Match::prefix, "", false, "of directory buckets"},
};

constexpr std::string_view kEncryptionKnown[] = {"aws:kms", "aws:kms:dsse", "aws:fsx"};

bool accepts(const Rule& rule, std::string_view value) {
  if (value.empty()) return rule.empty_is_absent;
  const auto values = split(rule.accepted, ',');
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool concerns(const Rule& rule, std::string_view name) {
  return rule.match == Match::exact ? name == rule.name : name.starts_with(rule.name);
}

S3Result<> check_header(std::string_view name, std::string_view value) {
  for (const Rule& rule : kRules) {
    if (!concerns(rule, name) || accepts(rule, value)) continue;
    const bool unknown_encryption =
        rule.name == "x-amz-server-side-encryption" &&
        std::find(std::begin(kEncryptionKnown), std::end(kEncryptionKnown), value) == std::end(kEncryptionKnown);
    if (unknown_encryption) {
      return S3Error(kInvalidArgument, "The encryption method specified is not supported")
          .with("ArgumentName", std::string(name))
          .with("ArgumentValue", std::string(value));
    }
    return S3Error(kNotImplemented)
        .with("Header", std::string(name))
        .with("additionalMessage", fmt::format("This value is not supported: {}.", rule.why));
  }
  return {};
}

}  // namespace

S3Result<> check_headers(const Request& request) {
  for (const auto& header : request.head.headers) {
    if (header.name.starts_with("x-amz-")) TRY_OK(check_header(header.name, header.value));
  }
  for (const auto& header : request.hoisted) TRY_OK(check_header(header.name, header.value));
  return {};
}

std::string header_rules_markdown() {
  std::string out = "| header | accepted | otherwise | because |\n|---|---|---|---|\n";
  for (const Rule& rule : kRules) {
    std::string accepted;
    for (const auto value : split(rule.accepted, ',')) {
      if (!value.empty()) accepted.append(accepted.empty() ? "`" : ", `").append(value).append("`");
    }
    if (rule.empty_is_absent) accepted = "empty";
    out += fmt::format("| `{}{}` | {} | 501 | {} |\n", rule.name, rule.match == Match::prefix ? "*" : "",
                       accepted.empty() ? "–" : accepted, rule.why);
  }
  return out;
}

}  // namespace gabion::gateway::s3
