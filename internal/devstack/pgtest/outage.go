package pgtest

import "testing"

// Cluster is a Postgres private to one test, which may stop and start it. Its
// address stays the same and what was committed survives.
type Cluster struct {
	t testing.TB
	c *cluster
}

// NewCluster starts a cluster with one migrated database; both end with the
// test. It needs no TestMain.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c, err := newCluster()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	if err := c.exec("CREATE DATABASE " + outageDB + " TEMPLATE " + templateDB + " STRATEGY file_copy"); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return &Cluster{t: t, c: c}
}

const outageDB = "test"

// URL returns the connection string of the database.
func (c *Cluster) URL() string { return c.c.postgres.URL(outageDB) }

// Stop stops Postgres; connections are cut. A stopped one stays stopped.
func (c *Cluster) Stop() {
	c.t.Helper()
	if err := c.c.stop(); err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
}

// Start starts a stopped Postgres again.
func (c *Cluster) Start() {
	c.t.Helper()
	if err := c.c.start(); err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
}
