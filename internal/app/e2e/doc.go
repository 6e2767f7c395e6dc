// Package e2e holds the tests from end to end: they build the binary, run its commands as processes of their own, and
// talk to them as an app, an admin, a script and a browser do. Nothing of the product is called from within, so what is
// proved here holds for what is shipped. The vendors are simulators.
//
// AIHIGRESS_TEST_LONG=1 makes outages as long as the ones that operators fear; -short halves the loads.
package e2e
