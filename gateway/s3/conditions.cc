#include "gateway/s3/conditions.h"

#include <algorithm>

#include "common/encoding.h"
#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::uint64_t kMicros = 1000000;

// The names of the four conditions as headers and as errors write them.
struct ConditionNames {
  std::string_view prefix;        // of the header
  std::string_view error_prefix;  // of the <Condition> member
};
constexpr ConditionNames kOwn{"", ""};
constexpr ConditionNames kCopySource{"x-amz-copy-source-", "x-amz-copy-source-"};

enum class Verdict { proceed, if_match, if_unmodified_since, if_none_match, if_modified_since };

struct Evaluation {
  Evaluation(const Request& r, const ConditionNames& n, const metadata::Version& v, WallMicros at)
      : request(r), names(n), etag(etag_text(v)), modified(v.modified_us() / kMicros), now(at / kMicros) {}

  const std::string* header(std::string_view name) const {
    return request.find_header(std::string(names.prefix).append(name));
  }
  // A date in whole seconds; malformed ones do not count.
  std::optional<std::uint64_t> date(std::string_view name) const {
    const std::string* value = header(name);
    if (!value) return std::nullopt;
    const auto parsed = parse_http_date(*value);
    if (!parsed) return std::nullopt;
    return *parsed / kMicros;
  }

  Verdict verdict() const {
    if (const std::string* value = header("if-match")) {
      if (!EtagList::parse(*value).matches(etag)) return Verdict::if_match;
    } else if (const auto since = date("if-unmodified-since"); since && modified > *since) {
      return Verdict::if_unmodified_since;
    }
    if (const std::string* value = header("if-none-match")) {
      if (EtagList::parse(*value).matches(etag)) return Verdict::if_none_match;
    } else if (const auto since = date("if-modified-since"); since && *since <= now && modified <= *since) {
      return Verdict::if_modified_since;
    }
    return Verdict::proceed;
  }

  const Request& request;
  const ConditionNames& names;
  std::string etag;
  std::uint64_t modified;
  std::uint64_t now;
};

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::if_match: return "If-Match";
    case Verdict::if_unmodified_since: return "If-Unmodified-Since";
    case Verdict::if_none_match: return "If-None-Match";
    case Verdict::if_modified_since: return "If-Modified-Since";
    case Verdict::proceed: break;
  }
  return "";
}

S3Error failed(const ConditionNames& names, Verdict verdict) {
  return S3Error(kPreconditionFailed).with("Condition", std::string(names.error_prefix).append(name_of(verdict)));
}

}  // namespace

std::string etag_text(std::string_view md5, std::uint32_t parts) {
  std::string out = hex_encode(as_bytes(md5));
  if (parts > 0) out.append("-").append(std::to_string(parts));
  return out;
}

std::string_view unquoted(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

EtagList EtagList::parse(std::string_view value) {
  EtagList out;
  for (const std::string_view item : split(value, ',')) {
    const std::string_view tag = trim(item);
    if (tag == "*") out.any = true;
    else if (!tag.empty()) out.tags.emplace_back(unquoted(tag));
  }
  return out;
}

bool EtagList::matches(std::string_view etag) const {
  return any || std::find(tags.begin(), tags.end(), etag) != tags.end();
}

S3Result<ReadOutcome> check_read_conditions(const Request& request, const metadata::Version& version, WallMicros now) {
  const Verdict verdict = Evaluation(request, kOwn, version, now).verdict();
  switch (verdict) {
    case Verdict::proceed: return ReadOutcome::proceed;
    case Verdict::if_none_match:
    case Verdict::if_modified_since: return ReadOutcome::not_modified;
    default: return failed(kOwn, verdict);
  }
}

S3Result<> check_copy_conditions(const Request& request, const metadata::Version& source, WallMicros now) {
  const Verdict verdict = Evaluation(request, kCopySource, source, now).verdict();
  if (verdict == Verdict::proceed) return {};
  return failed(kCopySource, verdict);
}

bool range_applies(const Request& request, const metadata::Version& version) {
  const std::string* value = request.find_header("if-range");
  if (!value) return true;
  if (const auto date = parse_http_date(*value)) return *date / kMicros == version.modified_us() / kMicros;
  return unquoted(*value) == etag_text(version) && !value->starts_with("W/");
}

std::optional<metadata::Preconditions> write_conditions(const Request& request) {
  const std::string* match = request.find_header("if-match");
  const std::string* none_match = request.find_header("if-none-match");
  if (!match && !none_match) return std::nullopt;
  metadata::Preconditions out;
  if (match) {
    EtagList list = EtagList::parse(*match);
    // A list that names nothing still is a condition: one that nothing meets.
    if (!list.any && list.tags.empty()) list.tags.emplace_back();
    out.set_if_match_any(list.any);
    for (auto& tag : list.tags) out.add_if_match(std::move(tag));
  }
  if (none_match) {
    EtagList list = EtagList::parse(*none_match);
    out.set_if_none_match_any(list.any);
    for (auto& tag : list.tags) out.add_if_none_match(std::move(tag));
  }
  return out;
}

}  // namespace gabion::gateway::s3
