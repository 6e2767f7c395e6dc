package proxy

// LimitHeader is limitHeader, for its test.
var LimitHeader = limitHeader
