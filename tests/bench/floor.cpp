// What one exchange costs at the least: the request of p2pchat-protocol(7), written straight on EVP
// and sent to a listener, with its answer opened and checked. No options, no state but two syncs,
// no error that is explained: what is not as expected ends it with status 1. For scripts/bench
// alone.
//
// usage: floor PORT LOG IDENTITY.pem IDENTITY_ID PEER_ID ENCRYPTION.pem ENCRYPTION_ID <MESSAGE
//        floor seal COUNT IDENTITY.pem IDENTITY_ID PEER_ID ENCRYPTION.pem ENCRYPTION_ID <MESSAGE
// The ids are thumbprints (RFC 7638); LOG is written and synced twice, as `send` syncs its state.
// The second form sends nothing: it writes COUNT requests, each of an id of its own and with its
// NUL, to stdout.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <string>
#include <string_view>

namespace {

void require(bool holds) {
  if (!holds) _exit(1);
}

unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string base64url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(octets(text), octets(bytes), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::string from_base64url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::string bytes(text.size() / 4 * 3 + 1, '\0');
  const int size = EVP_DecodeBlock(octets(bytes), octets(text), static_cast<int>(text.size()));
  require(size >= 0);
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  require(RAND_bytes(octets(bytes), static_cast<int>(count)) == 1);
  return bytes;
}

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  require(EVP_Digest(bytes.data(), bytes.size(), octets(digest), nullptr, EVP_sha256(), nullptr) ==
          1);
  return digest;
}

EVP_PKEY* read_key(const char* path, bool is_private) {
  std::FILE* file = std::fopen(path, "r");
  require(file != nullptr);
  EVP_PKEY* key = is_private ? PEM_read_PrivateKey(file, nullptr, nullptr, nullptr)
                             : PEM_read_PUBKEY(file, nullptr, nullptr, nullptr);
  require(key != nullptr);
  std::fclose(file);
  return key;
}

std::string sign(EVP_PKEY* key, std::string_view input) {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  EVP_PKEY_CTX* context = nullptr;
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  std::string signature(size, '\0');
  require(EVP_DigestSignInit(digest, &context, EVP_sha256(), nullptr, key) == 1 &&
          EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
          EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0 &&
          EVP_DigestSign(digest, octets(signature), &size, octets(input), input.size()) == 1);
  return signature;
}

std::string wrap(EVP_PKEY* key, std::string_view content_key) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key, nullptr);
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  std::string wrapped(size, '\0');
  require(EVP_PKEY_encrypt_init(context) == 1 &&
          EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
          EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0 &&
          EVP_PKEY_encrypt(context, octets(wrapped), &size, octets(content_key),
                           content_key.size()) == 1);
  return wrapped;
}

// ".iv.ciphertext.tag" under A256GCM.
std::string sealed_parts(std::string_view key, std::string_view header, std::string_view plain) {
  const std::string iv = random_bytes(12);
  std::string cipher(plain.size(), '\0');
  std::string tag(16, '\0');
  int size = 0;
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  require(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, octets(key), octets(iv)) == 1 &&
          EVP_EncryptUpdate(context, nullptr, &size, octets(header),
                            static_cast<int>(header.size())) == 1 &&
          EVP_EncryptUpdate(context, octets(cipher), &size, octets(plain),
                            static_cast<int>(plain.size())) == 1 &&
          EVP_EncryptFinal_ex(context, octets(cipher) + size, &size) == 1 &&
          EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag.data()) == 1);
  return "." + base64url(iv) + "." + base64url(cipher) + "." + base64url(tag);
}

std::string open_parts(std::string_view key, const std::string& token) {
  std::string parts[5];
  std::size_t part = 0;
  for (const char c : token) {
    if (c != '.') {
      parts[part] += c;
    } else {
      require(++part < 5);
    }
  }
  require(part == 4);
  const std::string iv = from_base64url(parts[2]);
  const std::string cipher = from_base64url(parts[3]);
  std::string tag = from_base64url(parts[4]);
  std::string plain(cipher.size(), '\0');
  int size = 0;
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  require(iv.size() == 12 && tag.size() == 16 &&
          EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nullptr, octets(key), octets(iv)) == 1 &&
          EVP_DecryptUpdate(context, nullptr, &size, octets(parts[0]),
                            static_cast<int>(parts[0].size())) == 1 &&
          EVP_DecryptUpdate(context, octets(plain), &size, octets(cipher),
                            static_cast<int>(cipher.size())) == 1 &&
          EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, tag.data()) == 1 &&
          EVP_DecryptFinal_ex(context, octets(plain) + size, &size) == 1);
  return plain;
}

std::string member(std::string_view name, std::string_view value) {
  std::string text = "\"";
  text += name;
  text += "\":\"";
  text += value;
  return text += "\"";
}

std::string value_of(const std::string& claims, const std::string& name) {
  const std::string head = "\"" + name + "\":\"";
  const std::size_t begin = claims.find(head);
  require(begin != std::string::npos);
  const std::size_t value = begin + head.size();
  return claims.substr(value, claims.find('"', value) - value);
}

// As `send` records what it is about to send: in the file, and in its folder.
void write_log(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  require(write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
          fdatasync(file) == 0 && fdatasync(file) == 0);
  close(file);
}

std::string exchange(int port, std::string_view frame) {
  const int line = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  require(connect(line, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
          setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  for (std::size_t sent = 0; sent < frame.size();) {
    const ssize_t count = write(line, frame.data() + sent, frame.size() - sent);
    require(count > 0);
    sent += static_cast<std::size_t>(count);
  }
  std::string reply;
  while (!reply.ends_with('\0')) {
    char piece[65536];
    const ssize_t count = read(line, piece, sizeof piece);
    require(count > 0);
    reply.append(piece, static_cast<std::size_t>(count));
  }
  reply.pop_back();
  close(line);
  return reply;
}

// Who sends to whom.
struct Ends {
  std::string iss;
  std::string aud;
  EVP_PKEY* identity;
  EVP_PKEY* encryption;
  std::string encryption_id;
};

struct Request {
  std::string jti;
  std::string reply_key;
  std::string frame;  // without its NUL
};

Request seal(const Ends& ends, std::string_view message) {
  Request request;
  request.reply_key = random_bytes(32);
  do request.jti = base64url(random_bytes(16));
  while (request.jti.starts_with('-'));
  const std::string now = std::to_string(std::time(nullptr));
  const std::string later = std::to_string(std::time(nullptr) + 86400);
  std::string claims = "{\"v\":1," + member("iss", ends.iss) + "," + member("aud", ends.aud) +
                       ",\"iat\":" + now + ",\"exp\":" + later + "," + member("jti", request.jti) +
                       "," + member("rk", base64url(request.reply_key)) + "," +
                       member("body", base64url(message)) + ",\"pad\":\"";
  claims.append(std::max<std::size_t>(512, std::bit_ceil(claims.size() + 2)) - claims.size() - 2,
                ' ');
  claims += "\"}";
  std::string token = base64url("{\"alg\":\"PS256\"," + member("kid", ends.iss) + "," +
                                member("typ", "p2pchat-msg+jwt") + "}") +
                      "." + base64url(claims);
  token += "." + base64url(sign(ends.identity, token));

  const std::string content_key = random_bytes(32);
  const std::string header =
      base64url("{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"," +
                member("kid", ends.encryption_id) + ",\"typ\":\"p2pchat+jwe\",\"cty\":\"JWT\"}");
  request.frame = header + "." + base64url(wrap(ends.encryption, content_key)) +
                  sealed_parts(content_key, header, token);
  return request;
}

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(STDOUT_FILENO, bytes.data(), bytes.size());
    require(count > 0);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

int main(int argc, char** argv) {
  require(argc == 8);
  std::string message;
  char piece[65536];
  for (ssize_t count = 0; (count = read(STDIN_FILENO, piece, sizeof piece)) > 0;) {
    message.append(piece, static_cast<std::size_t>(count));
  }
  if (message.ends_with('\n')) message.pop_back();
  const Ends ends{argv[4], argv[5], read_key(argv[3], true), read_key(argv[6], false), argv[7]};

  if (argv[1] == std::string_view("seal")) {
    for (int left = std::atoi(argv[2]); left > 0; --left) {
      write_all(seal(ends, message).frame + std::string(1, '\0'));
    }
    return 0;
  }

  const Request request = seal(ends, message);
  write_log(argv[2], request.frame);
  const std::string hash = base64url(sha256(request.frame));
  const std::string ack = open_parts(
      request.reply_key, exchange(std::atoi(argv[1]), request.frame + std::string(1, '\0')));
  const std::string st = value_of(ack, "st");
  require((st == "ok" || st == "dup") && value_of(ack, "irt") == request.jti &&
          value_of(ack, "rh") == hash && value_of(ack, "iss") == ends.aud &&
          value_of(ack, "aud") == ends.iss);
  write_all(from_base64url(value_of(ack, "body")));
  return 0;
}
