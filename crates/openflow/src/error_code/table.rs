//! All codes with a name, and their forms in 1.0, 1.3, 1.4 and 1.5.

use super::WireError::{self, Nicira, Nicira10, None, Onf, Standard};
use crate::experimenter::{NICIRA, ONF};

codes! {
    /// `OFPHFC_INCOMPATIBLE`.
    Incompatible = Standard(0, 0), Standard(0, 0), Standard(0, 0), Standard(0, 0);
    /// `OFPHFC_EPERM`.
    HelloForbidden = Standard(0, 1), Standard(0, 1), Standard(0, 1), Standard(0, 1);
    /// `OFPBRC_BAD_VERSION`.
    BadVersion = Standard(1, 0), Standard(1, 0), Standard(1, 0), Standard(1, 0);
    /// `OFPBRC_BAD_TYPE`.
    BadType = Standard(1, 1), Standard(1, 1), Standard(1, 1), Standard(1, 1);
    /// `OFPBRC_BAD_MULTIPART`.
    BadMultipart = Standard(1, 2), Standard(1, 2), Standard(1, 2), Standard(1, 2);
    /// `OFPBRC_BAD_EXPERIMENTER`.
    BadExperimenter = Standard(1, 3), Standard(1, 3), Standard(1, 3), Standard(1, 3);
    /// `OFPBRC_BAD_EXP_TYPE`.
    BadExperimenterType = Standard(1, 4), Standard(1, 4), Standard(1, 4), Standard(1, 4);
    /// `OFPBRC_EPERM`.
    RequestNotPermitted = Standard(1, 5), Standard(1, 5), Standard(1, 5), Standard(1, 5);
    /// `OFPBRC_BAD_LEN`.
    BadRequestLength = Standard(1, 6), Standard(1, 6), Standard(1, 6), Standard(1, 6);
    /// `OFPBRC_BUFFER_EMPTY`.
    BufferEmpty = Standard(1, 7), Standard(1, 7), Standard(1, 7), Standard(1, 7);
    /// `OFPBRC_BUFFER_UNKNOWN`.
    BufferUnknown = Standard(1, 8), Standard(1, 8), Standard(1, 8), Standard(1, 8);
    /// `OFPBRC_BAD_TABLE_ID`.
    BadRequestTable = Nicira10(1, 512), Standard(1, 9), Standard(1, 9), Standard(1, 9);
    /// `OFPBRC_IS_SLAVE`.
    RoleForbids = Standard(1, 5), Standard(1, 10), Standard(1, 10), Standard(1, 10);
    /// `OFPBRC_BAD_PORT`.
    BadPort = Nicira10(1, 514), Standard(1, 11), Standard(1, 11), Standard(1, 11);
    /// `OFPBRC_BAD_PACKET`.
    BadPacket = None, Standard(1, 12), Standard(1, 12), Standard(1, 12);
    /// `OFPBRC_MULTIPART_BUFFER_OVERFLOW`.
    MultipartOverflow = None, Standard(1, 13), Standard(1, 13), Standard(1, 13);
    /// `OFPBRC_MULTIPART_REQUEST_TIMEOUT`.
    MultipartRequestTimeout = None, Onf(2640), Standard(1, 14), Standard(1, 14);
    /// `OFPBRC_MULTIPART_REPLY_TIMEOUT`.
    MultipartReplyTimeout = None, Onf(2641), Standard(1, 15), Standard(1, 15);
    /// `OFPBRC_MULTIPART_BAD_SCHED`.
    MultipartBadSchedule = None, None, None, Standard(1, 16);
    /// `OFPBRC_PIPELINE_FIELDS_ONLY`.
    PipelineFieldsOnly = None, None, None, Standard(1, 17);
    /// `OFPBRC_UNKNOWN`.
    UnknownRequestError = None, None, None, Standard(1, 18);
    /// `NXBRC_NXM_INVALID`.
    InvalidNxm = Nicira10(1, 256), Nicira(2), Nicira(2), Nicira(2);
    /// `NXBRC_NXM_BAD_TYPE`.
    BadNxmType = Nicira10(1, 257), Nicira(3), Nicira(3), Nicira(3);
    /// `NXBRC_MUST_BE_ZERO`.
    MustBeZero = Nicira10(1, 515), Nicira(4), Nicira(4), Nicira(4);
    /// `NXBRC_BAD_REASON`.
    BadReason = Nicira10(1, 516), Nicira(5), Nicira(5), Nicira(5);
    /// `NXBRC_FM_BAD_EVENT`.
    BadFlowMonitorEvent = Nicira10(1, 520), Nicira(9), Nicira(9), Nicira(9);
    /// `NXBRC_UNENCODABLE_ERROR`.
    UnencodableError = Nicira10(1, 521), Nicira(10), Nicira(10), Nicira(10);
    /// `OFPBAC_BAD_TYPE`.
    BadActionType = Standard(2, 0), Standard(2, 0), Standard(2, 0), Standard(2, 0);
    /// `OFPBAC_BAD_LEN`.
    BadActionLength = Standard(2, 1), Standard(2, 1), Standard(2, 1), Standard(2, 1);
    /// `OFPBAC_BAD_EXPERIMENTER`.
    BadActionExperimenter = Standard(2, 2), Standard(2, 2), Standard(2, 2), Standard(2, 2);
    /// `OFPBAC_BAD_EXP_TYPE`.
    BadActionExperimenterType = Standard(2, 3), Standard(2, 3), Standard(2, 3), Standard(2, 3);
    /// `OFPBAC_BAD_OUT_PORT`.
    BadOutPort = Standard(2, 4), Standard(2, 4), Standard(2, 4), Standard(2, 4);
    /// `OFPBAC_BAD_ARGUMENT`.
    BadActionArgument = Standard(2, 5), Standard(2, 5), Standard(2, 5), Standard(2, 5);
    /// `OFPBAC_EPERM`.
    ActionNotPermitted = Standard(2, 6), Standard(2, 6), Standard(2, 6), Standard(2, 6);
    /// `OFPBAC_TOO_MANY`.
    TooManyActions = Standard(2, 7), Standard(2, 7), Standard(2, 7), Standard(2, 7);
    /// `OFPBAC_BAD_QUEUE`.
    BadQueue = Standard(2, 8), Standard(2, 8), Standard(2, 8), Standard(2, 8);
    /// `OFPBAC_BAD_OUT_GROUP`.
    BadOutGroup = Nicira10(2, 9), Standard(2, 9), Standard(2, 9), Standard(2, 9);
    /// `OFPBAC_MATCH_INCONSISTENT`.
    MatchInconsistent = Nicira10(1, 522), Standard(2, 10), Standard(2, 10), Standard(2, 10);
    /// `OFPBAC_UNSUPPORTED_ORDER`.
    UnsupportedActionOrder = None, Standard(2, 11), Standard(2, 11), Standard(2, 11);
    /// `OFPBAC_BAD_TAG`.
    BadActionTag = None, Standard(2, 12), Standard(2, 12), Standard(2, 12);
    /// `OFPBAC_BAD_SET_TYPE`.
    BadSetType = Nicira10(1, 523), Standard(2, 13), Standard(2, 13), Standard(2, 13);
    /// `OFPBAC_BAD_SET_LEN`.
    BadSetLength = Nicira10(1, 524), Standard(2, 14), Standard(2, 14), Standard(2, 14);
    /// `OFPBAC_BAD_SET_ARGUMENT`.
    BadSetArgument = Nicira10(1, 525), Standard(2, 15), Standard(2, 15), Standard(2, 15);
    /// `OFPBAC_BAD_SET_MASK`.
    BadSetMask = None, Onf(4250), Onf(4250), Standard(2, 16);
    /// `OFPBAC_BAD_METER`.
    BadMeterAction = None, None, None, Standard(2, 17);
    /// `NXBAC_MUST_BE_ZERO`.
    ActionMustBeZero = Nicira10(2, 256), Nicira(11), Nicira(11), Nicira(11);
    /// `NXBAC_BAD_CONJUNCTION`.
    BadConjunction = Nicira10(2, 526), Nicira(15), Nicira(15), Nicira(15);
    /// `NXBAC_CT_DATAPATH_SUPPORT`.
    UntrackedAction = Nicira10(1, 265), Nicira(42), Nicira(42), Nicira(42);
    /// `OFPBIC_UNKNOWN_INST`.
    UnknownInstruction = None, Standard(3, 0), Standard(3, 0), Standard(3, 0);
    /// `OFPBIC_UNSUP_INST`.
    UnsupportedInstruction = Nicira10(2, 257), Standard(3, 1), Standard(3, 1), Standard(3, 1);
    /// `OFPBIC_BAD_TABLE_ID`.
    BadGotoTable = None, Standard(3, 2), Standard(3, 2), Standard(3, 2);
    /// `OFPBIC_UNSUP_METADATA`.
    UnsupportedMetadata = None, Standard(3, 3), Standard(3, 3), Standard(3, 3);
    /// `OFPBIC_UNSUP_METADATA_MASK`.
    UnsupportedMetadataMask = None, Standard(3, 4), Standard(3, 4), Standard(3, 4);
    /// `OFPBIC_BAD_EXPERIMENTER`.
    BadInstructionExperimenter = None, Standard(3, 5), Standard(3, 5), Standard(3, 5);
    /// `OFPBIC_BAD_EXP_TYPE`.
    BadInstructionExperimenterType = None, Standard(3, 6), Standard(3, 6), Standard(3, 6);
    /// `OFPBIC_BAD_LEN`.
    BadInstructionLength = None, Standard(3, 7), Standard(3, 7), Standard(3, 7);
    /// `OFPBIC_EPERM`.
    InstructionNotPermitted = None, Standard(3, 8), Standard(3, 8), Standard(3, 8);
    /// `OFPBIC_DUP_INST`.
    DuplicateInstruction = None, Onf(2600), Standard(3, 9), Standard(3, 9);
    /// `OFPBMC_BAD_TYPE`.
    BadMatchType = None, Standard(4, 0), Standard(4, 0), Standard(4, 0);
    /// `OFPBMC_BAD_LEN`.
    BadMatchLength = None, Standard(4, 1), Standard(4, 1), Standard(4, 1);
    /// `OFPBMC_BAD_TAG`.
    BadMatchTag = None, Standard(4, 2), Standard(4, 2), Standard(4, 2);
    /// `OFPBMC_BAD_DL_ADDR_MASK`.
    BadEthernetMask = None, Standard(4, 3), Standard(4, 3), Standard(4, 3);
    /// `OFPBMC_BAD_NW_ADDR_MASK`.
    BadIpMask = None, Standard(4, 4), Standard(4, 4), Standard(4, 4);
    /// `OFPBMC_BAD_WILDCARDS`.
    BadWildcards = Nicira10(1, 262), Standard(4, 5), Standard(4, 5), Standard(4, 5);
    /// `OFPBMC_BAD_FIELD`.
    BadField = Nicira10(0, 263), Standard(4, 6), Standard(4, 6), Standard(4, 6);
    /// `OFPBMC_BAD_VALUE`.
    BadValue = Nicira10(1, 258), Standard(4, 7), Standard(4, 7), Standard(4, 7);
    /// `OFPBMC_BAD_MASK`.
    BadMask = Nicira10(1, 259), Standard(4, 8), Standard(4, 8), Standard(4, 8);
    /// `OFPBMC_BAD_PREREQ`.
    BadPrerequisite = Nicira10(1, 260), Standard(4, 9), Standard(4, 9), Standard(4, 9);
    /// `OFPBMC_DUP_FIELD`.
    DuplicateField = Nicira10(1, 261), Standard(4, 10), Standard(4, 10), Standard(4, 10);
    /// `OFPBMC_EPERM`.
    MatchNotPermitted = None, Standard(4, 11), Standard(4, 11), Standard(4, 11);
    /// `NXBMC_CT_DATAPATH_SUPPORT`.
    UntrackedMatch = Nicira10(1, 264), Nicira(43), Nicira(43), Nicira(43);
    /// `OFPFMFC_UNKNOWN`.
    FlowModFailed = None, Standard(5, 0), Standard(5, 0), Standard(5, 0);
    /// `OFPFMFC_TABLE_FULL`.
    TableFull = Standard(3, 0), Standard(5, 1), Standard(5, 1), Standard(5, 1);
    /// `OFPFMFC_BAD_TABLE_ID`.
    BadFlowModTable = Nicira10(5, 257), Standard(5, 2), Standard(5, 2), Standard(5, 2);
    /// `OFPFMFC_OVERLAP`.
    Overlap = Standard(3, 1), Standard(5, 3), Standard(5, 3), Standard(5, 3);
    /// `OFPFMFC_EPERM`.
    FlowModNotPermitted = Standard(3, 2), Standard(5, 4), Standard(5, 4), Standard(5, 4);
    /// `OFPFMFC_BAD_TIMEOUT`.
    BadTimeout = None, Standard(5, 5), Standard(5, 5), Standard(5, 5);
    /// `OFPFMFC_BAD_COMMAND`.
    BadFlowModCommand = Standard(3, 4), Standard(5, 6), Standard(5, 6), Standard(5, 6);
    /// `OFPFMFC_BAD_FLAGS`.
    BadFlowModFlags = Nicira10(3, 258), Standard(5, 7), Standard(5, 7), Standard(5, 7);
    /// `OFPFMFC_CANT_SYNC`.
    CannotSynchronise = None, None, Standard(5, 8), Standard(5, 8);
    /// `OFPFMFC_BAD_PRIORITY`.
    BadPriority = None, Onf(2360), Standard(5, 9), Standard(5, 9);
    /// `OFPFMFC_IS_SYNC`.
    SynchronisedFlow = None, None, Standard(5, 10), Standard(5, 10);
    /// `OFPFMFC_UNSUPPORTED`.
    UnsupportedActionList = Standard(3, 5), None, None, None;
    /// `NXFMFC_INVALID_TLV_FIELD`.
    InvalidTlvField = Nicira10(1, 536), Nicira(37), Nicira(37), Nicira(37);
    /// `OFPGMFC_GROUP_EXISTS`.
    GroupExists = Nicira10(6, 0), Standard(6, 0), Standard(6, 0), Standard(6, 0);
    /// `OFPGMFC_INVALID_GROUP`.
    InvalidGroup = Nicira10(6, 1), Standard(6, 1), Standard(6, 1), Standard(6, 1);
    /// `OFPGMFC_WEIGHT_UNSUPPORTED`.
    WeightUnsupported = Nicira10(6, 2), Standard(6, 2), Standard(6, 2), Standard(6, 2);
    /// `OFPGMFC_OUT_OF_GROUPS`.
    OutOfGroups = Nicira10(6, 3), Standard(6, 3), Standard(6, 3), Standard(6, 3);
    /// `OFPGMFC_OUT_OF_BUCKETS`.
    OutOfBuckets = Nicira10(6, 4), Standard(6, 4), Standard(6, 4), Standard(6, 4);
    /// `OFPGMFC_CHAINING_UNSUPPORTED`.
    ChainingUnsupported = Nicira10(6, 5), Standard(6, 5), Standard(6, 5), Standard(6, 5);
    /// `OFPGMFC_WATCH_UNSUPPORTED`.
    WatchUnsupported = Nicira10(6, 6), Standard(6, 6), Standard(6, 6), Standard(6, 6);
    /// `OFPGMFC_LOOP`.
    GroupLoop = Nicira10(6, 7), Standard(6, 7), Standard(6, 7), Standard(6, 7);
    /// `OFPGMFC_UNKNOWN_GROUP`.
    UnknownGroup = Nicira10(6, 8), Standard(6, 8), Standard(6, 8), Standard(6, 8);
    /// `OFPGMFC_CHAINED_GROUP`.
    ChainedGroup = Nicira10(6, 9), Standard(6, 9), Standard(6, 9), Standard(6, 9);
    /// `OFPGMFC_BAD_TYPE`.
    BadGroupType = Nicira10(6, 10), Standard(6, 10), Standard(6, 10), Standard(6, 10);
    /// `OFPGMFC_BAD_COMMAND`.
    BadGroupCommand = Nicira10(6, 11), Standard(6, 11), Standard(6, 11), Standard(6, 11);
    /// `OFPGMFC_BAD_BUCKET`.
    BadBucket = Nicira10(6, 12), Standard(6, 12), Standard(6, 12), Standard(6, 12);
    /// `OFPGMFC_BAD_WATCH`.
    BadWatch = Nicira10(6, 13), Standard(6, 13), Standard(6, 13), Standard(6, 13);
    /// `OFPGMFC_EPERM`.
    GroupNotPermitted = Nicira10(6, 14), Standard(6, 14), Standard(6, 14), Standard(6, 14);
    /// `OFPGMFC_UNKNOWN_BUCKET`.
    UnknownBucket = Nicira10(6, 15), None, None, Standard(6, 15);
    /// `OFPGMFC_BUCKET_EXISTS`.
    BucketExists = Nicira10(6, 16), None, None, Standard(6, 16);
    /// `OFPPMFC_BAD_PORT`.
    PortModBadPort = Standard(4, 0), Standard(7, 0), Standard(7, 0), Standard(7, 0);
    /// `OFPPMFC_BAD_HW_ADDR`.
    BadHardwareAddress = Standard(4, 1), Standard(7, 1), Standard(7, 1), Standard(7, 1);
    /// `OFPPMFC_BAD_CONFIG`.
    BadPortConfig = None, Standard(7, 2), Standard(7, 2), Standard(7, 2);
    /// `OFPPMFC_BAD_ADVERTISE`.
    BadAdvertise = None, Standard(7, 3), Standard(7, 3), Standard(7, 3);
    /// `OFPPMFC_EPERM`.
    PortModNotPermitted = None, Standard(7, 4), Standard(7, 4), Standard(7, 4);
    /// `OFPTMFC_BAD_TABLE`.
    TableModBadTable = None, Standard(8, 0), Standard(8, 0), Standard(8, 0);
    /// `OFPTMFC_BAD_CONFIG`.
    BadTableConfig = None, Standard(8, 1), Standard(8, 1), Standard(8, 1);
    /// `OFPTMFC_EPERM`.
    TableModNotPermitted = None, Standard(8, 2), Standard(8, 2), Standard(8, 2);
    /// `OFPQOFC_BAD_PORT`.
    QueueBadPort = Standard(5, 0), Standard(9, 0), Standard(9, 0), Standard(9, 0);
    /// `OFPQOFC_BAD_QUEUE`.
    UnknownQueue = Standard(5, 1), Standard(9, 1), Standard(9, 1), Standard(9, 1);
    /// `OFPQOFC_EPERM`.
    QueueNotPermitted = Standard(5, 2), Standard(9, 2), Standard(9, 2), Standard(9, 2);
    /// `OFPSCFC_BAD_FLAGS`.
    BadConfigFlags = None, Standard(10, 0), Standard(10, 0), Standard(10, 0);
    /// `OFPSCFC_BAD_LEN`.
    BadConfigLength = None, Standard(10, 1), Standard(10, 1), Standard(10, 1);
    /// `OFPSCFC_EPERM`.
    ConfigNotPermitted = None, Standard(10, 2), Standard(10, 2), Standard(10, 2);
    /// `OFPRRFC_STALE`.
    StaleRole = None, Standard(11, 0), Standard(11, 0), Standard(11, 0);
    /// `OFPRRFC_UNSUP`.
    UnsupportedRole = None, Standard(11, 1), Standard(11, 1), Standard(11, 1);
    /// `OFPRRFC_BAD_ROLE`.
    BadRole = Nicira10(1, 513), Standard(11, 2), Standard(11, 2), Standard(11, 2);
    /// `OFPMMFC_UNKNOWN`.
    MeterModFailed = None, Standard(12, 0), Standard(12, 0), Standard(12, 0);
    /// `OFPMMFC_METER_EXISTS`.
    MeterExists = None, Standard(12, 1), Standard(12, 1), Standard(12, 1);
    /// `OFPMMFC_INVALID_METER`.
    InvalidMeter = None, Standard(12, 2), Standard(12, 2), Standard(12, 2);
    /// `OFPMMFC_UNKNOWN_METER`.
    UnknownMeter = None, Standard(12, 3), Standard(12, 3), Standard(12, 3);
    /// `OFPMMFC_BAD_COMMAND`.
    BadMeterCommand = None, Standard(12, 4), Standard(12, 4), Standard(12, 4);
    /// `OFPMMFC_BAD_FLAGS`.
    BadMeterFlags = None, Standard(12, 5), Standard(12, 5), Standard(12, 5);
    /// `OFPMMFC_BAD_RATE`.
    BadRate = None, Standard(12, 6), Standard(12, 6), Standard(12, 6);
    /// `OFPMMFC_BAD_BURST`.
    BadBurst = None, Standard(12, 7), Standard(12, 7), Standard(12, 7);
    /// `OFPMMFC_BAD_BAND`.
    BadBand = None, Standard(12, 8), Standard(12, 8), Standard(12, 8);
    /// `OFPMMFC_BAD_BAND_VALUE`.
    BadBandValue = None, Standard(12, 9), Standard(12, 9), Standard(12, 9);
    /// `OFPMMFC_OUT_OF_METERS`.
    OutOfMeters = None, Standard(12, 10), Standard(12, 10), Standard(12, 10);
    /// `OFPMMFC_OUT_OF_BANDS`.
    OutOfBands = None, Standard(12, 11), Standard(12, 11), Standard(12, 11);
    /// `OFPTFFC_BAD_TABLE`.
    TableFeaturesBadTable = None, Standard(13, 0), Standard(13, 0), Standard(13, 0);
    /// `OFPTFFC_BAD_METADATA`.
    BadMetadata = None, Standard(13, 1), Standard(13, 1), Standard(13, 1);
    /// `OFPTFFC_EPERM`.
    TableFeaturesFixed = None, Standard(13, 5), Standard(13, 5), Standard(13, 5);
    /// `OFPTFFC_BAD_CAPA`.
    BadCapabilities = None, None, None, Standard(13, 6);
    /// `OFPTFFC_BAD_MAX_ENT`.
    BadMaxEntries = None, None, None, Standard(13, 7);
    /// `OFPTFFC_BAD_FEATURES`.
    BadTableFeatures = None, None, None, Standard(13, 8);
    /// `OFPTFFC_BAD_COMMAND`.
    BadTableFeaturesCommand = None, None, None, Standard(13, 9);
    /// `OFPTFFC_TOO_MANY`.
    TooManyTables = None, None, None, Standard(13, 10);
    /// `NXTFFC_DUP_TABLE`.
    DuplicateTable = None, Nicira(44), Nicira(44), Nicira(44);
    /// `OFPBPC_BAD_TYPE`.
    BadPropertyType = Nicira10(13, 2), Standard(13, 2), Standard(14, 0), Standard(14, 0);
    /// `OFPBPC_BAD_LEN`.
    BadPropertyLength = Nicira10(13, 3), Standard(13, 3), Standard(14, 1), Standard(14, 1);
    /// `OFPBPC_BAD_VALUE`.
    BadPropertyValue = Nicira10(13, 4), Standard(13, 4), Standard(14, 2), Standard(14, 2);
    /// `OFPBPC_TOO_MANY`.
    TooManyProperties = Nicira10(14, 3), Onf(4443), Standard(14, 3), Standard(14, 3);
    /// `OFPBPC_DUP_TYPE`.
    DuplicateProperty = Nicira10(14, 4), Onf(4444), Standard(14, 4), Standard(14, 4);
    /// `OFPBPC_BAD_EXPERIMENTER`.
    BadPropertyExperimenter = Nicira10(14, 5), Onf(4445), Standard(14, 5), Standard(14, 5);
    /// `OFPBPC_BAD_EXP_TYPE`.
    BadPropertyExperimenterType = Nicira10(14, 6), Onf(4446), Standard(14, 6), Standard(14, 6);
    /// `OFPBPC_BAD_EXP_VALUE`.
    BadPropertyExperimenterValue = Nicira10(14, 7), Onf(4447), Standard(14, 7), Standard(14, 7);
    /// `OFPBPC_EPERM`.
    PropertyNotPermitted = Nicira10(14, 8), Onf(4448), Standard(14, 8), Standard(14, 8);
    /// `OFPACFC_INVALID`.
    InvalidAsyncMask = None, Onf(2370), Standard(15, 0), Standard(15, 0);
    /// `OFPACFC_UNSUPPORTED`.
    UnsupportedAsyncConfig = None, Onf(2371), Standard(15, 1), Standard(15, 1);
    /// `OFPACFC_EPERM`.
    AsyncConfigNotPermitted = None, Onf(2372), Standard(15, 2), Standard(15, 2);
    /// `OFPMOFC_UNKNOWN`.
    FlowMonitorFailed = None, None, Standard(16, 0), Standard(16, 0);
    /// `OFPMOFC_MONITOR_EXISTS`.
    MonitorExists = Nicira10(1, 517), Nicira(6), Standard(16, 1), Standard(16, 1);
    /// `OFPMOFC_INVALID_MONITOR`.
    InvalidMonitor = None, None, Standard(16, 2), Standard(16, 2);
    /// `OFPMOFC_UNKNOWN_MONITOR`.
    UnknownMonitor = Nicira10(1, 519), Nicira(8), Standard(16, 3), Standard(16, 3);
    /// `OFPMOFC_BAD_COMMAND`.
    BadMonitorCommand = None, None, Standard(16, 4), Standard(16, 4);
    /// `OFPMOFC_BAD_FLAGS`.
    BadMonitorFlags = Nicira10(1, 518), Nicira(7), Standard(16, 5), Standard(16, 5);
    /// `OFPMOFC_BAD_TABLE_ID`.
    BadMonitorTable = None, None, Standard(16, 6), Standard(16, 6);
    /// `OFPMOFC_BAD_OUT`.
    BadMonitorOut = None, None, Standard(16, 7), Standard(16, 7);
    /// `OFPBFC_UNKNOWN`.
    BundleFailed = None, Onf(2300), Standard(17, 0), Standard(17, 0);
    /// `OFPBFC_EPERM`.
    BundleNotPermitted = None, Onf(2301), Standard(17, 1), Standard(17, 1);
    /// `OFPBFC_BAD_ID`.
    BadBundle = None, Onf(2302), Standard(17, 2), Standard(17, 2);
    /// `OFPBFC_BUNDLE_EXIST`.
    BundleExists = None, Onf(2303), Standard(17, 3), Standard(17, 3);
    /// `OFPBFC_BUNDLE_CLOSED`.
    BundleClosed = None, Onf(2304), Standard(17, 4), Standard(17, 4);
    /// `OFPBFC_OUT_OF_BUNDLES`.
    OutOfBundles = None, Onf(2305), Standard(17, 5), Standard(17, 5);
    /// `OFPBFC_BAD_TYPE`.
    BadBundleType = None, Onf(2306), Standard(17, 6), Standard(17, 6);
    /// `OFPBFC_BAD_FLAGS`.
    BadBundleFlags = None, Onf(2307), Standard(17, 7), Standard(17, 7);
    /// `OFPBFC_MSG_BAD_LEN`.
    BundleMessageBadLength = None, Onf(2308), Standard(17, 8), Standard(17, 8);
    /// `OFPBFC_MSG_BAD_XID`.
    BundleMessageBadXid = None, Onf(2309), Standard(17, 9), Standard(17, 9);
    /// `OFPBFC_MSG_UNSUP`.
    BundleMessageUnsupported = None, Onf(2310), Standard(17, 10), Standard(17, 10);
    /// `OFPBFC_MSG_CONFLICT`.
    BundleMessageConflict = None, Onf(2311), Standard(17, 11), Standard(17, 11);
    /// `OFPBFC_MSG_TOO_MANY`.
    BundleTooManyMessages = None, Onf(2312), Standard(17, 12), Standard(17, 12);
    /// `OFPBFC_MSG_FAILED`.
    BundleMessageFailed = None, Onf(2313), Standard(17, 13), Standard(17, 13);
    /// `OFPBFC_TIMEOUT`.
    BundleTimeout = None, Onf(2314), Standard(17, 14), Standard(17, 14);
    /// `OFPBFC_BUNDLE_IN_PROGRESS`.
    BundleInProgress = None, Onf(2315), Standard(17, 15), Standard(17, 15);
    /// `OFPBFC_SCHED_NOT_SUPPORTED`.
    BundleSchedulingUnsupported = None, None, None, Standard(17, 16);
    /// `OFPBFC_SCHED_FUTURE`.
    BundleScheduleTooLate = None, None, None, Standard(17, 17);
    /// `OFPBFC_SCHED_PAST`.
    BundleScheduleTooEarly = None, None, None, Standard(17, 18);
    /// `OFPBFC_BAD_VERSION`.
    BundleMessageBadVersion = None, Nicira(22), Nicira(22), Nicira(22);
    /// `NXTTMFC_BAD_COMMAND`.
    TlvBadCommand = Nicira10(1, 527), Nicira(16), Nicira(16), Nicira(16);
    /// `NXTTMFC_BAD_OPT_LEN`.
    TlvBadLength = Nicira10(1, 528), Nicira(17), Nicira(17), Nicira(17);
    /// `NXTTMFC_BAD_FIELD_IDX`.
    TlvBadIndex = Nicira10(1, 529), Nicira(18), Nicira(18), Nicira(18);
    /// `NXTTMFC_TABLE_FULL`.
    TlvTableFull = Nicira10(1, 530), Nicira(19), Nicira(19), Nicira(19);
    /// `NXTTMFC_ALREADY_MAPPED`.
    TlvAlreadyMapped = Nicira10(1, 531), Nicira(20), Nicira(20), Nicira(20);
    /// `NXTTMFC_DUP_ENTRY`.
    TlvDuplicateEntry = Nicira10(1, 532), Nicira(21), Nicira(21), Nicira(21);
    /// `NXTTMFC_INVALID_TLV_DEL`.
    TlvInUse = Nicira10(1, 537), Nicira(38), Nicira(38), Nicira(38);
    /// `NXR_NOT_SUPPORTED`.
    ResumeUnsupported = Nicira10(1, 533), Nicira(34), Nicira(34), Nicira(34);
    /// `NXR_STALE`.
    StaleContinuation = Nicira10(1, 534), Nicira(35), Nicira(35), Nicira(35);
    /// `NXST_NOT_CONFIGURED`.
    NotConfigured = Nicira10(1, 535), Nicira(36), Nicira(36), Nicira(36);
}
