//! Reads REST bodies from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = sluice_protocol::jvm_json::from_slice::<sluice_protocol::rest::CreateConnectorRequest>(
        data,
    );
    let _ = sluice_protocol::jvm_json::from_slice::<sluice_protocol::rest::ConnectorOffsets>(data);
    let _ =
        sluice_protocol::jvm_json::from_slice::<sluice_protocol::rest::ConnectorStateInfo>(data);
    let _ = sluice_protocol::jvm_json::from_slice::<sluice_protocol::rest::ConfigInfos>(data);
    let _ = sluice_protocol::jvm_json::from_slice::<sluice_protocol::ConfigMap>(data);
});
