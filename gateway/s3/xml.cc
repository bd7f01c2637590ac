#include "gateway/s3/xml.h"

#include <array>
#include <charconv>
#include <pugixml.hpp>

#include "common/encoding.h"
#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '&' || c == '<' || c == '>' || c == '"' || c == 0x7f;
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '&': out.append("&amp;"); return;
    case '<': out.append("&lt;"); return;
    case '>': out.append("&gt;"); return;
    case '"': out.append("&quot;"); return;
    default: break;
  }
  static constexpr char kHex[] = "0123456789ABCDEF";
  const auto v = static_cast<unsigned char>(c);
  out.append("&#x");
  if (v >= 16) out.push_back(kHex[v >> 4]);
  out.push_back(kHex[v & 15]);
  out.push_back(';');
}

std::string_view local_name(std::string_view name) {
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// Whether there is a reference to the character NUL, which XML forbids and the parser would end a text at.
bool refers_to_nul(std::string_view body) {
  for (auto at = body.find("&#"); at != std::string_view::npos; at = body.find("&#", at + 1)) {
    std::string_view rest = body.substr(at + 2);
    if (rest.starts_with('x')) rest.remove_prefix(1);
    const auto digit = rest.find_first_not_of('0');
    if (digit != 0 && digit != std::string_view::npos && rest[digit] == ';') return true;
  }
  return false;
}

// Walks the tree without recursion: its depth is the client's choice.
bool too_deep(const pugi::xml_node& root) {
  std::size_t depth = 0;
  pugi::xml_node node = root;
  while (true) {
    if (node.first_child()) {
      node = node.first_child();
      if (++depth > kXmlDepthMax) return true;
      continue;
    }
    while (node != root && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node == root) return false;
    node = node.next_sibling();
  }
}

}  // namespace

void append_xml_text(std::string& out, std::string_view text) {
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!needs_escape(text[i])) [[likely]] continue;
    out.append(text.substr(from, i - from));
    append_escaped(out, text[i]);
    from = i + 1;
  }
  out.append(text.substr(from));
}

XmlWriter::XmlWriter(std::string_view root, Namespace space, std::size_t reserve) : root_(root) {
  out_.reserve(reserve);
  out_.append("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<").append(root);
  if (space == Namespace::s3) out_.append(" xmlns=\"").append(kXmlNamespace).append("\"");
  out_.push_back('>');
}

void XmlWriter::open(std::string_view tag) { out_.append("<").append(tag).push_back('>'); }

void XmlWriter::close(std::string_view tag) { out_.append("</").append(tag).push_back('>'); }

void XmlWriter::text(std::string_view tag, std::string_view value) {
  open(tag);
  append_xml_text(out_, value);
  close(tag);
}

void XmlWriter::number(std::string_view tag, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  open(tag);
  out_.append(digits.data(), end);
  close(tag);
}

void XmlWriter::boolean(std::string_view tag, bool value) {
  open(tag);
  out_.append(value ? "true" : "false");
  close(tag);
}

void XmlWriter::date(std::string_view tag, WallMicros at) {
  open(tag);
  append_iso_date(out_, at);
  close(tag);
}

std::string XmlWriter::finish() && {
  close(root_);
  return std::move(out_);
}

XmlElement::XmlElement(const pugi::xml_node& node) : node_(node.internal_object()) {}

std::string_view XmlElement::name() const {
  return local_name(pugi::xml_node(static_cast<pugi::xml_node_struct*>(node_)).name());
}

std::string XmlElement::text() const {
  std::string out;
  for (const auto& child : pugi::xml_node(static_cast<pugi::xml_node_struct*>(node_))) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) out.append(child.value());
  }
  return out;
}

std::vector<XmlElement> XmlElement::children() const {
  std::vector<XmlElement> out;
  for (const auto& child : pugi::xml_node(static_cast<pugi::xml_node_struct*>(node_))) {
    if (child.type() == pugi::node_element) out.push_back(XmlElement(child));
  }
  return out;
}

XmlElement XmlElement::child(std::string_view wanted) const {
  for (const auto& child : pugi::xml_node(static_cast<pugi::xml_node_struct*>(node_))) {
    if (child.type() == pugi::node_element && local_name(child.name()) == wanted) return XmlElement(child);
  }
  return {};
}

XmlDocument::XmlDocument() : text_(std::make_unique<std::string>()), document_(std::make_unique<pugi::xml_document>()) {}
XmlDocument::XmlDocument(XmlDocument&&) noexcept = default;
XmlDocument& XmlDocument::operator=(XmlDocument&&) noexcept = default;
XmlDocument::~XmlDocument() = default;

S3Result<XmlDocument> XmlDocument::parse(std::string body, std::string_view root) {
  if (!is_valid_utf8(body) || body.find('\0') != std::string::npos || refers_to_nul(body)) return S3Error(kMalformedXML);
  XmlDocument out;
  *out.text_ = std::move(body);
  // A key may be a single space, so white space counts. The document type is parsed only to be refused.
  constexpr unsigned kFlags = pugi::parse_default | pugi::parse_ws_pcdata | pugi::parse_doctype;
  const auto parsed =
      out.document_->load_buffer_inplace(out.text_->data(), out.text_->size(), kFlags, pugi::encoding_utf8);
  if (!parsed || too_deep(*out.document_)) return S3Error(kMalformedXML);
  std::size_t elements = 0;
  for (const auto& node : *out.document_) {
    if (node.type() == pugi::node_doctype) return S3Error(kMalformedXML);
    if (node.type() == pugi::node_element) ++elements;
  }
  if (elements != 1 || out.root().name() != root) return S3Error(kMalformedXML);
  return out;
}

XmlElement XmlDocument::root() const { return XmlElement(document_->document_element()); }

}  // namespace gabion::gateway::s3
