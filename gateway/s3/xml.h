// The XML of S3: an emitter that writes straight into one string, and a parser for request bodies that trusts nothing:
// no document types or entities, bounded depth, names compared without their namespace. Plain values; a document owns
// its text.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ (each operation's request and response syntax).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "gateway/s3/error.h"

namespace pugi {
class xml_document;
class xml_node;
}  // namespace pugi

namespace gabion::gateway::s3 {

inline constexpr std::string_view kXmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";
inline constexpr std::size_t kXmlDepthMax = 20;

// Text content with exactly what XML demands escaped. Control characters become numeric references, as AWS writes them;
// strict parsers refuse some of those, which is why listings offer encoding-type=url.
void append_xml_text(std::string& out, std::string_view text);

// Writes elements in order. Tag names are literals of ours and never escaped.
class XmlWriter {
 public:
  // An XML declaration and the root element, in S3's namespace; errors have none.
  enum class Namespace { s3, none };
  explicit XmlWriter(std::string_view root, Namespace space = Namespace::s3, std::size_t reserve = 512);

  void open(std::string_view tag);
  void close(std::string_view tag);
  void text(std::string_view tag, std::string_view value);
  void number(std::string_view tag, std::uint64_t value);
  void boolean(std::string_view tag, bool value);
  void date(std::string_view tag, WallMicros at);
  // `markup` is XML of ours already.
  void raw(std::string_view markup) { out_.append(markup); }
  // The buffer itself, for elements that are written a million times.
  std::string& buffer() { return out_; }
  // Closes the root. The writer is used up.
  std::string finish() &&;

 private:
  std::string out_;
  std::string root_;
};

// An element of a parsed body. A view: valid while its document lives.
class XmlElement {
 public:
  XmlElement() = default;
  std::string_view name() const;  // without a namespace prefix
  // All text directly inside, white space included, as one string.
  std::string text() const;
  std::vector<XmlElement> children() const;
  // The first child of this name, or an element that does not exist.
  XmlElement child(std::string_view name) const;
  bool exists() const { return node_ != nullptr; }

 private:
  friend class XmlDocument;
  explicit XmlElement(const pugi::xml_node& node);
  void* node_ = nullptr;  // pugi::xml_node's own handle
};

class XmlDocument {
 public:
  // MalformedXML unless `body` is well-formed UTF-8 without a document type, at most kXmlDepthMax deep, with this root.
  static S3Result<XmlDocument> parse(std::string body, std::string_view root);
  XmlDocument(XmlDocument&&) noexcept;
  XmlDocument& operator=(XmlDocument&&) noexcept;
  ~XmlDocument();
  XmlElement root() const;

 private:
  XmlDocument();
  std::unique_ptr<std::string> text_;  // parsed in place, so its address must stay
  std::unique_ptr<pugi::xml_document> document_;
};

}  // namespace gabion::gateway::s3
