package provider

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/reach"
)

const (
	// MaxCertificates is how many bytes a provider's certificates have at most.
	MaxCertificates = 64 << 10
	// maxCertificates is how many there are.
	maxCertificates = 32
)

// Network is how a provider is reached. Only an admin sets it.
type Network struct {
	EgressPoolID  *id.EgressPool // through whose proxies; nil is none
	AllowHosts    []string       // hosts and address ranges where it may be besides public ones; see package reach
	CACertificate string         // PEM certificates that are trusted for it, besides the system's
}

// NetworkInput changes it; nil fields stay as they are.
type NetworkInput struct {
	EgressPoolID  **id.EgressPool // to nil is none
	AllowHosts    *[]string       // all of them: those not in it are removed
	CACertificate *string         // "" takes them away
}

func networkOf(row db.Provider) Network {
	return Network{EgressPoolID: row.EgressPoolID, AllowHosts: row.AllowHosts, CACertificate: row.CaCertificate}
}

// changes reports whether any field is set.
func (in NetworkInput) changes() bool {
	return in.EgressPoolID != nil || in.AllowHosts != nil || in.CACertificate != nil
}

// apply changes the row and adds to changes what is new.
func (in NetworkInput) apply(g authz.Grant, row *db.Provider, changes map[string]any) error {
	if in.EgressPoolID != nil && !samePool(*in.EgressPoolID, row.EgressPoolID) {
		if err := onlyAdmin(g); err != nil {
			return err
		}
		changes["egressPool"] = map[string]any{"from": row.EgressPoolID, "to": *in.EgressPoolID}
		row.EgressPoolID = *in.EgressPoolID
	}
	if in.AllowHosts != nil {
		hosts, err := reach.Normal("allowHosts", *in.AllowHosts)
		if err != nil {
			return err
		}
		if !slices.Equal(hosts, row.AllowHosts) {
			if err := onlyAdmin(g); err != nil {
				return err
			}
			changes["allowHosts"] = map[string]any{"from": row.AllowHosts, "to": hosts}
			row.AllowHosts = hosts
		}
	}
	if in.CACertificate != nil {
		certificates, err := checkCertificates(*in.CACertificate)
		if err != nil {
			return err
		}
		if certificates != row.CaCertificate {
			if err := onlyAdmin(g); err != nil {
				return err
			}
			changes["caCertificate"] = map[string]any{"from": len(row.CaCertificate), "to": len(certificates)} // bytes: the text is long
			row.CaCertificate = certificates
		}
	}
	return nil
}

func samePool(a, b *id.EgressPool) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// onlyAdmin lets only admins and the gateway itself decide where connections go.
func onlyAdmin(g authz.Grant) error {
	if g.Kind != authz.System && g.Role != authz.Admin {
		return fault.New(fault.Denied, "only an admin says where a provider's calls may go")
	}
	return nil
}

// checkCertificates is PEM certificates as they are stored.
func checkCertificates(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > MaxCertificates {
		return "", fault.Field("caCertificate", "the certificates have at most %d bytes", MaxCertificates)
	}
	var clean strings.Builder
	for n, rest := 0, []byte(text); len(strings.TrimSpace(string(rest))) > 0; n++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil || n == maxCertificates:
			return "", fault.Field("caCertificate", "enter at most %d certificates as PEM", maxCertificates)
		case block.Type != "CERTIFICATE":
			return "", fault.Field("caCertificate", "only certificates belong here")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", fault.Field("caCertificate", "a certificate does not parse")
		}
		clean.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})) // without headers and what stands between
	}
	return clean.String(), nil
}
