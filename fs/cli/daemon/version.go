package daemon

// Version is what this program calls itself.
const Version = "0.2.0"
