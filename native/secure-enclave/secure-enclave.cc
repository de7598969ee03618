// Creates a signing key that cannot be copied. The key is generated inside a Mac's Secure Enclave
// and is found again by its label in the data protection keychain. If the system rejects a call,
// the error contains the system's message. This addon is built on a Mac only, and has not been run
// yet (docs/decisions/0081-the-key-is-in-the-enclave-where-there-is-one.md).
#include <napi.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <CoreFoundation/CoreFoundation.h>
#include <Security/Security.h>

namespace {

constexpr int KEY_BITS = 256;
/// Size of an uncompressed point, in bytes: the byte 4, then x and y with 32 bytes each.
constexpr CFIndex PUBLIC_KEY_BYTES = 65;

struct Release {
  void operator()(CFTypeRef reference) const { CFRelease(reference); }
};

/// Owns one reference to an object of Core Foundation and releases it. Use it only for results of
/// functions with Create or Copy in their name: the caller does not own other references.
template <typename Reference>
using Owned = std::unique_ptr<std::remove_pointer_t<Reference>, Release>;
using Key = std::shared_ptr<std::remove_pointer_t<SecKeyRef>>;

std::string TextOf(CFStringRef text) {
  if (text == nullptr) return "the system gave no message";
  std::string bytes(static_cast<size_t>(CFStringGetMaximumSizeForEncoding(CFStringGetLength(text), kCFStringEncodingUTF8)) + 1, '\0');
  if (!CFStringGetCString(text, bytes.data(), static_cast<CFIndex>(bytes.size()), kCFStringEncodingUTF8)) return "the message of the system cannot be converted to UTF-8";
  bytes.resize(std::strlen(bytes.c_str()));
  return bytes;
}

std::string Refusal(const char* what, CFStringRef words, CFIndex status) {
  return std::string(what) + ": " + TextOf(words) + " (" + std::to_string(status) + ")";
}

std::string Refusal(const char* what, OSStatus status) {
  const Owned<CFStringRef> words(SecCopyErrorMessageString(status, nullptr));
  return Refusal(what, words.get(), status);
}

std::string Refusal(const char* what, CFErrorRef error) {
  if (error == nullptr) return Refusal(what, nullptr, 0);
  const Owned<CFStringRef> words(CFErrorCopyDescription(error));
  return Refusal(what, words.get(), CFErrorGetCode(error));
}

/// Creates a dictionary, which retains its values. Returns null if there is no memory or a value is
/// null.
Owned<CFDictionaryRef> Dictionary(std::initializer_list<std::pair<CFStringRef, CFTypeRef>> entries) {
  Owned<CFMutableDictionaryRef> dictionary(
      CFDictionaryCreateMutable(kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks));
  for (const auto& [key, value] : entries) {
    if (!dictionary || value == nullptr) return nullptr;
    CFDictionarySetValue(dictionary.get(), key, value);
  }
  return dictionary;
}

Owned<CFDataRef> DataOf(const void* bytes, size_t length) {
  return Owned<CFDataRef>(CFDataCreate(kCFAllocatorDefault, static_cast<const UInt8*>(bytes), static_cast<CFIndex>(length)));
}

/// Finds the key with this label. The returned status is errSecItemNotFound if there is none.
OSStatus Find(CFDataRef label, Owned<SecKeyRef>& key) {
  const Owned<CFDictionaryRef> query = Dictionary({
      {kSecClass, kSecClassKey},
      {kSecAttrKeyClass, kSecAttrKeyClassPrivate},
      {kSecAttrKeyType, kSecAttrKeyTypeECSECPrimeRandom},
      {kSecAttrApplicationTag, label},
      {kSecAttrTokenID, kSecAttrTokenIDSecureEnclave},
      {kSecUseDataProtectionKeychain, kCFBooleanTrue},
      {kSecMatchLimit, kSecMatchLimitOne},
      {kSecReturnRef, kCFBooleanTrue},
  });
  if (!query) return errSecAllocate;
  CFTypeRef found = nullptr;
  const OSStatus status = SecItemCopyMatching(query.get(), &found);
  Owned<CFTypeRef> held(found);
  if (status != errSecSuccess) return status;
  if (!held || CFGetTypeID(found) != SecKeyGetTypeID()) return errSecInvalidItemRef;
  key.reset(static_cast<SecKeyRef>(const_cast<void*>(held.release())));
  return errSecSuccess;
}

/// Creates a key and returns an error message, or an empty text on success. The key can be used
/// after the first unlock, also while the screen is locked, because challenges arrive when the Mac
/// is not in use.
std::string Make(CFDataRef label, Owned<SecKeyRef>& key) {
  CFErrorRef error = nullptr;
  const Owned<SecAccessControlRef> access(SecAccessControlCreateWithFlags(
      kCFAllocatorDefault, kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly, kSecAccessControlPrivateKeyUsage, &error));
  const Owned<CFErrorRef> accessError(error);
  if (!access) return Refusal("the access control of the key could not be created", accessError.get());

  const Owned<CFNumberRef> bits(CFNumberCreate(kCFAllocatorDefault, kCFNumberIntType, &KEY_BITS));
  const Owned<CFDictionaryRef> own =
      Dictionary({{kSecAttrIsPermanent, kCFBooleanTrue}, {kSecAttrApplicationTag, label}, {kSecAttrAccessControl, access.get()}});
  const Owned<CFDictionaryRef> attributes = Dictionary({
      {kSecAttrKeyType, kSecAttrKeyTypeECSECPrimeRandom},
      {kSecAttrKeySizeInBits, bits.get()},
      {kSecAttrTokenID, kSecAttrTokenIDSecureEnclave},
      {kSecUseDataProtectionKeychain, kCFBooleanTrue},
      {kSecPrivateKeyAttrs, own.get()},
  });
  if (!attributes) return Refusal("the key could not be created", errSecAllocate);
  error = nullptr;
  key.reset(SecKeyCreateRandomKey(attributes.get(), &error));
  const Owned<CFErrorRef> keyError(error);
  return key ? "" : Refusal("the key could not be created", keyError.get());
}

/// Verifies that the key is in the enclave. Without this check, a provider would announce a
/// software key, which can be copied, to the network as one that cannot.
bool IsInEnclave(SecKeyRef key) {
  const Owned<CFDictionaryRef> attributes(SecKeyCopyAttributes(key));
  const CFTypeRef token = attributes ? CFDictionaryGetValue(attributes.get(), kSecAttrTokenID) : nullptr;
  return token != nullptr && CFEqual(token, kSecAttrTokenIDSecureEnclave);
}

std::string PublicKeyOf(SecKeyRef key, Owned<CFDataRef>& point) {
  const Owned<SecKeyRef> publicKey(SecKeyCopyPublicKey(key));
  if (!publicKey) return "the public key could not be derived";
  CFErrorRef error = nullptr;
  point.reset(SecKeyCopyExternalRepresentation(publicKey.get(), &error));
  const Owned<CFErrorRef> held(error);
  if (!point) return Refusal("the public key could not be exported", held.get());
  return CFDataGetLength(point.get()) == PUBLIC_KEY_BYTES ? "" : "the public key is not an uncompressed point of P-256";
}

Napi::Uint8Array BytesOf(Napi::Env env, CFDataRef data) {
  const auto length = static_cast<size_t>(CFDataGetLength(data));
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, length);
  if (length > 0) std::memcpy(bytes.Data(), CFDataGetBytePtr(data), length);
  return bytes;
}

/// Returns the signature in DER, or an error message as a string. The call blocks until the enclave
/// is done.
Napi::Value Sign(const Key& key, const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(env, "expected one Uint8Array").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  const Owned<CFDataRef> message = DataOf(bytes.Data(), bytes.ByteLength());
  if (!message) return Napi::String::New(env, Refusal("the message could not be signed", errSecAllocate));
  CFErrorRef error = nullptr;
  const Owned<CFDataRef> signature(SecKeyCreateSignature(key.get(), kSecKeyAlgorithmECDSASignatureMessageX962SHA256, message.get(), &error));
  const Owned<CFErrorRef> held(error);
  if (!signature) return Napi::String::New(env, Refusal("the message could not be signed", held.get()));
  return BytesOf(env, signature.get());
}

/// Finds or creates the key with this label. Returns an error message, or an empty text on success.
std::string Open(const std::string& label, Owned<SecKeyRef>& key, Owned<CFDataRef>& point) {
  const Owned<CFDataRef> tag = DataOf(label.data(), label.size());
  if (!tag) return Refusal("the keychain could not be searched", errSecAllocate);
  const OSStatus found = Find(tag.get(), key);
  if (found != errSecSuccess && found != errSecItemNotFound) return Refusal("the keychain could not be searched", found);
  if (found == errSecItemNotFound) {
    const std::string wrong = Make(tag.get(), key);
    if (!wrong.empty()) return wrong;
  }
  if (!IsInEnclave(key.get())) return "the key is not in the Secure Enclave";
  return PublicKeyOf(key.get(), point);
}

Napi::Value OpenKey(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsString()) {
    Napi::TypeError::New(env, "expected a label").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Owned<SecKeyRef> opened;
  Owned<CFDataRef> point;
  const std::string wrong = Open(info[0].As<Napi::String>().Utf8Value(), opened, point);
  Napi::Object answer = Napi::Object::New(env);
  answer.Set("available", wrong.empty());
  if (!wrong.empty()) {
    answer.Set("reason", wrong);
    return answer;
  }
  // The function holds the key for as long as JavaScript holds the function.
  const Key key = std::move(opened);
  answer.Set("publicKey", BytesOf(env, point.get()));
  answer.Set("sign", Napi::Function::New(env, [key](const Napi::CallbackInfo& call) { return Sign(key, call); }, "sign"));
  return answer;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("openKey", Napi::Function::New(env, OpenKey));
  return exports;
}

}  // namespace

NODE_API_MODULE(secure_enclave, Init)
