// Package config reads what `aihigress serve` is told by its environment, into one documented struct.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"aihigress/internal/money"
	"aihigress/internal/reach"
	"aihigress/internal/secret"
)

// Config is the whole configuration of a production node. The README's table is made of these fields.
type Config struct {
	DatabaseURL string `env:"DATABASE_URL,required,notEmpty"` // Postgres; a direct connection is needed for LISTEN, not a transaction pooler
	RedisURL    string `env:"REDIS_URL,required,notEmpty"`    // redis://, rediss:// or unix://
	MasterKey   string `env:"AIHIGRESS_MASTER_KEY,required,notEmpty,unset"`

	Listen         string   `env:"LISTEN" envDefault:":8080"`
	MetricsListen  string   `env:"METRICS_LISTEN"` // "" leaves /metrics on the main listener, for platform keys only
	PublicURL      string   `env:"PUBLIC_URL"`     // as browsers see it; https makes cookies Secure
	TrustedProxies []string `env:"TRUSTED_PROXIES"`
	SpoolDir       string   `env:"SPOOL_DIR" envDefault:"spool"` // per node; must outlive the process

	LogLevel  string `env:"LOG_LEVEL" envDefault:"info"`  // debug, info, warn, error
	LogFormat string `env:"LOG_FORMAT" envDefault:"json"` // json, text

	MaxBodyBytes      int64         `env:"MAX_BODY_BYTES" envDefault:"67108864"`    // larger requests are 413
	MaxUploadBytes    int64         `env:"MAX_UPLOAD_BYTES" envDefault:"67108864"`  // the same for files that are uploaded: sound, pictures
	MaxUploadDisk     int64         `env:"MAX_UPLOAD_DISK" envDefault:"4294967296"` // bytes of all uploads in TMPDIR at one time; more are 503
	RequestRetention  time.Duration `env:"REQUEST_RETENTION" envDefault:"2160h"`    // older days of the request log are dropped; ledger entries stay
	SpoolMaxBytes     int64         `env:"SPOOL_MAX_BYTES" envDefault:"8589934592"` // what the spool may take on the disk; beyond it calls are 503. 0 is no limit
	DrainTimeout      time.Duration `env:"DRAIN_TIMEOUT" envDefault:"5m"`           // how long SIGTERM waits for streams to end
	DrainDelay        time.Duration `env:"DRAIN_DELAY" envDefault:"0s"`             // how long SIGTERM turns /readyz false before new calls are refused
	MemoryLimit       uint64        `env:"MEMORY_LIMIT" envDefault:"0"`             // bytes of this process; near it new calls are 503. 0 is GOMEMLIMIT, else the cgroup's, else none
	Unpriced          string        `env:"UNPRICED" envDefault:"free"`              // calls of models without a price: free (served, and marked as unpriced) or refuse (403)
	PriceCatalogURL   string        `env:"PRICE_CATALOG_URL"`                       // prices in the form of models.dev's api.json, read every six hours; "" reads none
	PriceCatalogHosts []string      `env:"PRICE_CATALOG_ALLOW_HOSTS"`               // hosts and CIDR ranges where that may be besides public ones
	CreditsPerDollar  string        `env:"CREDITS_PER_DOLLAR" envDefault:"1"`       // what catalogues' prices and vendors' costs, in US dollars, are multiplied with
	DatabaseConns     int32         `env:"DATABASE_MAX_CONNS" envDefault:"16"`      // connections of this node, LISTEN's not counted

	// What the texts above mean, filled in by Load.
	Master  []byte         `env:"-"`
	Proxies []netip.Prefix `env:"-"`
	Level   slog.Level     `env:"-"`
	Dollar  money.Price    `env:"-"` // CREDITS_PER_DOLLAR: of a price of 1
}

// What becomes of calls whose price is unknown.
const (
	UnpricedFree   = "free"
	UnpricedRefuse = "refuse"
)

// Load reads and checks the environment, given as os.Environ does. All that is wrong is told at once, a line each.
func Load(environ []string) (Config, error) {
	var c Config
	err := env.ParseWithOptions(&c, env.Options{Environment: env.ToMap(environ)})
	var problems []error
	if err != nil {
		problems = append(problems, plain(err)...)
	}
	problems = append(problems, c.check()...)
	return c, errors.Join(problems...)
}

// plain turns the library's aggregate into one sentence a variable, without the values: some are secrets.
func plain(err error) []error {
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range all.Errors {
		if unset, ok := errors.AsType[env.VarIsNotSetError](e); ok {
			out = append(out, fmt.Errorf("%s is not set", unset.Key))
		} else if empty, ok := errors.AsType[env.EmptyVarError](e); ok {
			out = append(out, fmt.Errorf("%s is empty", empty.Key))
		} else if parse, ok := errors.AsType[env.ParseError](e); ok {
			out = append(out, fmt.Errorf("%s cannot be read as a %s", variable(parse.Name), parse.Type))
		} else {
			out = append(out, e)
		}
	}
	return out
}

// variable is the name in the environment of a field of Config.
func variable(field string) string {
	f, ok := reflect.TypeFor[Config]().FieldByName(field)
	if !ok {
		return field
	}
	name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
	return name
}

func (c *Config) check() (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.MasterKey != "" {
		master, err := secret.ParseMasterKey(c.MasterKey)
		if err == nil {
			_, err = secret.NewKeyring(master)
		}
		if err != nil {
			wrong("AIHIGRESS_MASTER_KEY is unusable (%v); make one with: openssl rand -base64 32", err)
		}
		c.Master, c.MasterKey = master, ""
	}
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			wrong("TRUSTED_PROXIES: %q is neither an address nor a CIDR range", text)
			continue
		}
		c.Proxies = append(c.Proxies, prefix)
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			wrong("PUBLIC_URL must be an http or https address with a host")
		}
	}
	if err := c.Level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		wrong("LOG_LEVEL must be debug, info, warn or error")
	}
	if c.LogFormat != "json" && c.LogFormat != "text" {
		wrong("LOG_FORMAT must be json or text")
	}
	if c.MaxBodyBytes < 1<<10 {
		wrong("MAX_BODY_BYTES must be at least 1024")
	}
	if c.MaxUploadBytes < 1<<10 {
		wrong("MAX_UPLOAD_BYTES must be at least 1024")
	}
	if c.MaxUploadDisk < c.MaxUploadBytes {
		wrong("MAX_UPLOAD_DISK must be at least MAX_UPLOAD_BYTES")
	}
	if c.SpoolMaxBytes != 0 && c.SpoolMaxBytes < 64<<20 {
		wrong("SPOOL_MAX_BYTES must be at least 67108864, or 0 for no limit")
	}
	if c.MemoryLimit > 0 && c.MemoryLimit < 64<<20 {
		wrong("MEMORY_LIMIT must be 0 or at least 67108864")
	}
	if c.DrainDelay < 0 {
		wrong("DRAIN_DELAY must not be negative")
	}
	if c.Unpriced != UnpricedFree && c.Unpriced != UnpricedRefuse {
		wrong("UNPRICED must be free or refuse")
	}
	problems = append(problems, c.checkPrices()...)
	if c.DatabaseConns < 4 {
		wrong("DATABASE_MAX_CONNS must be at least 4")
	}
	if c.RequestRetention < 24*time.Hour {
		wrong("REQUEST_RETENTION must be at least 24h")
	}
	return problems
}

// checkPrices checks where prices come from. The address is in no error: its query may be a secret.
func (c *Config) checkPrices() (problems []error) {
	if c.PriceCatalogURL != "" {
		u, err := url.Parse(c.PriceCatalogURL)
		secure := err == nil && (u.Scheme == "https" || u.Scheme == "http" && len(c.PriceCatalogHosts) > 0)
		if !secure || u.Host == "" || u.User != nil {
			problems = append(problems, errors.New("PRICE_CATALOG_URL must be an https address with a host and without a password; http is taken with PRICE_CATALOG_ALLOW_HOSTS"))
		}
	}
	hosts, err := reach.Normal("PRICE_CATALOG_ALLOW_HOSTS", c.PriceCatalogHosts)
	if c.PriceCatalogHosts = hosts; err != nil {
		problems = append(problems, fmt.Errorf("PRICE_CATALOG_ALLOW_HOSTS: %w", err))
	}
	dollar, err := money.ParsePrice(c.CreditsPerDollar)
	if c.Dollar = dollar; err != nil || dollar == 0 || dollar > maxCreditsPerDollar {
		problems = append(problems, errors.New("CREDITS_PER_DOLLAR must be a decimal number above 0 with at most 6 places, and at most 1000000"))
	}
	return problems
}

// maxCreditsPerDollar is a million credits.
const maxCreditsPerDollar money.Price = 1_000_000_000_000

// SecureCookies reports whether browsers reach this gateway by https only.
func (c Config) SecureCookies() bool { return strings.HasPrefix(c.PublicURL, "https://") }
