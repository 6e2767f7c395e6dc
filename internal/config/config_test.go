package config_test

import (
	"encoding/base64"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"

	"aihigress/internal/config"
	"aihigress/internal/secret"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	c, err := config.Load(good(nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Master) != 32 || c.MasterKey != "" {
		t.Error("the master key was not taken, or its text was kept")
	}
	if c.Listen != ":8080" || c.Level != slog.LevelInfo || c.MaxBodyBytes != 64<<20 {
		t.Errorf("defaults: %+v", c)
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(nil)
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "AIHIGRESS_MASTER_KEY"} {
		if err == nil || !strings.Contains(err.Error(), name+" is not set") {
			t.Errorf("%s is not told: %v", name, err)
		}
	}
}

func TestBadValues(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"AIHIGRESS_MASTER_KEY": base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"TRUSTED_PROXIES":      "10.0.0.0/8,example",
		"PUBLIC_URL":           "gateway.example.com",
		"LOG_LEVEL":            "loud",
		"LOG_FORMAT":           "xml",
		"MAX_BODY_BYTES":       "many",
		"DATABASE_MAX_CONNS":   "1",
		"MAX_UPLOAD_BYTES":     "10",
		"MAX_UPLOAD_DISK":      "1024",
		"REQUEST_RETENTION":    "1h",
		"MEMORY_LIMIT":         "512",
		"DRAIN_DELAY":          "-1s",
		"UNPRICED":             "maybe",

		"PRICE_CATALOG_URL":         "http://models.dev/api.json",
		"PRICE_CATALOG_ALLOW_HOSTS": "10.0.0.0/99",
		"CREDITS_PER_DOLLAR":        "0",
	} {
		_, err := config.Load(good(map[string]string{name: value}))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v, want an error that names it", name, value, err)
		}
	}
}

func TestPriceCatalog(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://models.dev/api.json?token=canary": true, "https://:secret-canary@models.dev/api.json": false, "https:///canary": false, "ftp://models.dev/canary": false, "http://canary/%zz": false,
	} {
		_, err := config.Load(good(map[string]string{"PRICE_CATALOG_URL": url}))
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", url, err)
		}
	}
	c, err := config.Load(good(map[string]string{"PRICE_CATALOG_URL": "http://prices.lan/", "PRICE_CATALOG_ALLOW_HOSTS": "prices.lan,10.0.0.0/8", "CREDITS_PER_DOLLAR": "7.2"}))
	if err != nil || c.Dollar != 7_200_000 || len(c.PriceCatalogHosts) != 2 {
		t.Errorf("%v, %v, %v", c.Dollar, c.PriceCatalogHosts, err)
	}
	for _, dollar := range []string{"-1", "NaN", "1e3", "1000000.1", "0.0000001", ""} {
		if _, err := config.Load(good(map[string]string{"CREDITS_PER_DOLLAR": dollar})); err == nil && dollar != "" {
			t.Errorf("%q was taken", dollar)
		}
	}
}

func TestSecretsAreNotInErrors(t *testing.T) {
	t.Parallel()
	_, err := config.Load(good(map[string]string{"AIHIGRESS_MASTER_KEY": "hunter2canary", "DATABASE_MAX_CONNS": "canary"}))
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error tells a value: %v", err)
	}
}

// TestReadmeHasEveryVariable holds the README's table to the fields of Config.
func TestReadmeHasEveryVariable(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		if name != "-" && !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("the README does not name %s", name)
		}
	}
}

func good(override map[string]string) []string {
	vars := map[string]string{
		"DATABASE_URL":         "postgres:///x",
		"REDIS_URL":            "redis://localhost:6379",
		"AIHIGRESS_MASTER_KEY": base64.StdEncoding.EncodeToString(secret.NewMasterKey()),
	}
	for k, v := range override {
		vars[k] = v
	}
	var environ []string
	for k, v := range vars {
		environ = append(environ, k+"="+v)
	}
	return environ
}
