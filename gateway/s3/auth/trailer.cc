#include "gateway/s3/auth/trailer.h"

#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kSignatureName = "x-amz-trailer-signature";

}  // namespace

std::string BodyTrailer::canonical() const {
  std::string out;
  for (const auto& [name, value] : fields) out.append(name).append(":").append(value).append("\n");
  return out;
}

S3Result<BodyTrailer> parse_trailer(std::string_view text) {
  BodyTrailer out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return S3Error(kMalformedTrailerError);
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos || !out.signature.empty()) return S3Error(kMalformedTrailerError);
    const std::string name = to_lower(trim(line.substr(0, colon)));
    const std::string_view value = trim(line.substr(colon + 1));
    if (name.empty() || value.empty()) return S3Error(kMalformedTrailerError);
    if (name == kSignatureName) out.signature = value;
    else out.fields.emplace_back(name, value);
  }
  return out;
}

}  // namespace gabion::gateway::s3
