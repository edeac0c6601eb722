//! sluice-agent
