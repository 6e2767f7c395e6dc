package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// certificate is a new self-signed one as PEM, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// However somebody comes to write providers, where connections go is for admins to say.
func TestNetworkIsForAdmins(t *testing.T) {
	t.Parallel()
	cert, _ := certificate(t)
	pool := id.New[id.EgressPool]()
	stored := db.Provider{EgressPoolID: &pool, AllowHosts: []string{"a.example"}, CaCertificate: cert}
	var none *id.EgressPool
	member := authz.Grant{Actor: authz.Actor{Kind: authz.User, Role: authz.Member, UserID: id.New[id.User]()}}
	admin := authz.Grant{Actor: authz.Actor{Kind: authz.User, Role: authz.Admin}, All: true}
	for name, in := range map[string]NetworkInput{
		"another pool":          {EgressPoolID: new(new(id.New[id.EgressPool]()))},
		"no pool":               {EgressPoolID: &none},
		"another host":          {AllowHosts: &[]string{"a.example", "10.0.0.0/8"}},
		"fewer hosts":           {AllowHosts: &[]string{}},
		"another certificate":   {CACertificate: new(cert + cert)},
		"no longer certificate": {CACertificate: new("")},
	} {
		row, changes := stored, map[string]any{}
		if err := in.apply(member, &row, changes); fault.KindOf(err) != fault.Denied || len(changes) != 0 {
			t.Errorf("%s, by a member: %v", name, err)
		}
		row = stored
		if err := in.apply(admin, &row, changes); err != nil || len(changes) != 1 {
			t.Errorf("%s, by an admin: %v, %v", name, changes, err)
		}
	}
	row, changes := stored, map[string]any{}
	as := NetworkInput{EgressPoolID: new(new(pool)), AllowHosts: &[]string{"A.example"}, CACertificate: &cert}
	if err := as.apply(member, &row, changes); err != nil || len(changes) != 0 {
		t.Errorf("what stays as it is: %v, %v", changes, err)
	}
}

func TestCheckCertificates(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	for text, want := range map[string]string{
		"": "", "  \n": "", cert: cert, "\n" + cert + "\n": cert, "a note\n" + cert + cert: cert + cert,
		strings.Replace(cert, "CERTIFICATE-----\n", "CERTIFICATE-----\nNote: x\n\n", 1): cert,
	} {
		if got, err := checkCertificates(text); err != nil || got != want {
			t.Errorf("%.60q is %q: %v", text, got, err)
		}
	}
	for name, bad := range map[string]string{
		"no PEM": "x", "a key": key, "a key behind": cert + key, "cut": cert[:len(cert)/2], "something behind": cert + "x",
		"no certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})),
		"too many":       strings.Repeat(cert, maxCertificates+1), "too large": cert + strings.Repeat("\n", MaxCertificates) + cert,
	} {
		if got, err := checkCertificates(bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s is taken: %q, %v", name, got, err)
		}
	}
}
