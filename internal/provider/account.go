package provider

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/secret"
)

// GoogleTokens is where Google gives tokens to service accounts: the only token_uri of a provider that may not be at
// private addresses.
const GoogleTokens = "https://oauth2.googleapis.com/token"

// A ServiceAccount is what a Google service account's JSON key says, as far as a token takes it.
type ServiceAccount struct {
	Type         string `json:"type"`
	ClientEmail  string `json:"client_email"`
	PrivateKey   string `json:"private_key"` // PEM
	PrivateKeyID string `json:"private_key_id"`
	TokenURI     string `json:"token_uri"`
}

// IsServiceAccount reports whether a Vertex key is a service account's JSON, and not an API key.
func IsServiceAccount(text string) bool { return strings.HasPrefix(text, "{") }

// ParseServiceAccount reads the JSON key of a service account. Other kinds of credentials are refused: some of them name
// files, programs or addresses that whoever uses them would read, run or ask. Only with allowPrivate may the token be asked
// for elsewhere than at Google.
func ParseServiceAccount(text string, allowPrivate bool) (ServiceAccount, error) {
	var a ServiceAccount
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return a, fault.Field("secret", "the key is not the JSON of a service account")
	}
	if a.TokenURI == "" {
		a.TokenURI = GoogleTokens
	}
	u, err := url.Parse(a.TokenURI)
	switch {
	case a.Type != "service_account":
		return a, fault.Field("secret", "the key's type is not service_account")
	case a.ClientEmail == "" || !isText(a.ClientEmail) || !isText(a.PrivateKeyID):
		return a, fault.Field("secret", "the service account's key has no client_email")
	case !isRSA(a.PrivateKey):
		return a, fault.Field("secret", "the service account's private_key does not parse")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil,
		!allowPrivate && a.TokenURI != GoogleTokens:
		return a, fault.Field("secret", "the service account's token_uri is not %s", GoogleTokens)
	}
	return a, nil
}

func isRSA(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		_, ok := key.(*rsa.PrivateKey)
		return ok
	}
	_, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err == nil
}

// checkAccount is a service account's key as it is stored, without the spaces that people see it with, and its hint.
func checkAccount(text string, allowPrivate bool) (secret.Text, string, error) {
	if len(text) > MaxAccount {
		return secret.Text{}, "", fault.Field("secret", "a service account's key has at most %d bytes", MaxAccount)
	}
	account, err := ParseServiceAccount(text, allowPrivate)
	if err != nil {
		return secret.Text{}, "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return secret.Text{}, "", fault.Field("secret", "the key is not the JSON of a service account")
	}
	hint := account.PrivateKeyID
	if hint == "" {
		hint = account.ClientEmail
	}
	return secret.NewText(compact.String()), secret.NewText(hint).Hint(), nil
}
