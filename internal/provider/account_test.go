package provider_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

// serviceAccount is a key as Google writes it: JSON over several lines.
func serviceAccount(t *testing.T, change map[string]string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{
		"type": "service_account", "project_id": "example", "private_key_id": "0123456789abcdef",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": "gateway@example.iam.gserviceaccount.com", "token_uri": provider.GoogleTokens,
	}
	for name, value := range change {
		fields[name] = value
	}
	raw, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw) + "\n"
}

func vertex() provider.CreateInput {
	return provider.CreateInput{
		Slug: "vertex", Name: "Vertex", Dialect: "gemini", Kind: provider.KindVertex,
		BaseURL: "https://aiplatform.googleapis.com/v1/projects/example/locations/global",
	}
}

func TestServiceAccountsAreKeysOfVertex(t *testing.T) {
	t.Parallel()
	f := open(t)
	text := serviceAccount(t, nil)
	in := vertex()
	in.Keys = []provider.KeyInput{{Secret: secret.NewText(text)}, {Secret: secret.NewText("an-express-mode-key")}}
	made := f.create(in)
	keys, err := f.Keys(f.admin, made.ID)
	if err != nil || len(keys) != 2 || keys[0].Hint != "…cdef" || keys[1].Hint != "…-key" {
		t.Fatalf("%+v, %v", keys, err)
	}
	if _, err := f.Probe(f.admin, made.ID); err != nil {
		t.Fatal(err)
	}
	target := f.vendor.target
	if kept, err := provider.ParseServiceAccount(target.Secret.Reveal(), false); err != nil || kept.PrivateKeyID != "0123456789abcdef" || target.Kind != provider.KindVertex {
		t.Errorf("called with %+v, %v", kept, err)
	}
	again, err := f.RotateKey(f.admin, keys[1].ID, secret.NewText(text))
	if err != nil || again.Hint != "…cdef" {
		t.Errorf("rotated to %+v, %v", again, err)
	}

	// Its private key must never go out as if it were an API key.
	if _, err := f.Update(f.admin, made.ID, provider.UpdateInput{Kind: new(provider.KindDirect)}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a provider with keys became another: %v", err)
	}
	for _, key := range keys {
		if err := f.RemoveKey(f.admin, key.ID); err != nil {
			t.Fatal(err)
		}
	}
	after, err := f.Update(f.admin, made.ID, provider.UpdateInput{Kind: new(provider.KindDirect)})
	if err != nil || after.Kind != provider.KindDirect {
		t.Errorf("%+v, %v", after, err)
	}
	if _, err := f.AddKey(f.admin, made.ID, provider.KeyInput{Secret: secret.NewText(text)}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a direct provider took a service account: %v", err)
	}
}

func TestServiceAccountsThatAreRefused(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(vertex())
	for name, text := range map[string]string{
		"another type":     serviceAccount(t, map[string]string{"type": "external_account"}),
		"no key":           serviceAccount(t, map[string]string{"private_key": "none"}),
		"nobody":           serviceAccount(t, map[string]string{"client_email": ""}),
		"asks elsewhere":   serviceAccount(t, map[string]string{"token_uri": "http://169.254.169.254/token"}),
		"asks at no place": serviceAccount(t, map[string]string{"token_uri": "file:///etc/passwd"}),
		"broken":           "{\"type\":",
		"too long":         serviceAccount(t, map[string]string{"extra": strings.Repeat("x", provider.MaxAccount)}),
	} {
		_, err := f.AddKey(f.admin, made.ID, provider.KeyInput{Secret: secret.NewText(text)})
		failure, ok := fault.As(err)
		if !ok || failure.Kind != fault.Invalid || strings.Join(failure.Path, ".") != "secret" || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := provider.ParseServiceAccount(serviceAccount(t, map[string]string{"token_uri": "http://127.0.0.1:1/token"}), true); err != nil {
		t.Errorf("where private addresses are allowed: %v", err)
	}
}
