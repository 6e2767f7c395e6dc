// Package graph is the GraphQL door: what machines manage the gateway with.
//
// The schema is in schema/, one file a noun. Resolvers hand over to the domain packages and decide nothing themselves;
// what the schema calls an object is the domain's own type, except payloads and connections, which are in model/.
package graph

// gqlgen takes its files from the module's root, and go generate runs here.
//go:generate sh -c "cd .. && go tool -modfile=tools/go.mod gqlgen generate"
