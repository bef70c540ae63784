package ca.iidi.hapi;

import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.ClientIdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.IdStrategyEnum;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings.StoreMetaSourceInformationEnum;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

import java.util.List;

/**
 * The keys under {@code hapi.fhir} that this server reads, with the names and defaults of the official image
 * ({@code bulk_export_enabled} binds to {@code bulkExportEnabled}). Other keys of the image are ignored.
 *
 * @param serverIdStrategy null = HAPI's default, SEQUENTIAL_NUMERIC
 * @param storeMetaSourceInformation null = HAPI's default, SOURCE_URI_AND_REQUEST_ID
 * @param reuseCachedSearchResultsMillis negative = never answer a search from an earlier one
 * @param suppressStringIndexingInTokens not a key of the image: smaller token and string indexes
 */
@ConfigurationProperties("hapi.fhir")
public record Settings(
        @DefaultValue("") String serverAddress,
        @DefaultValue("20") int defaultPageSize,
        @DefaultValue("2147483647") int maxPageSize,
        @DefaultValue("60000") long reuseCachedSearchResultsMillis,
        @DefaultValue("60") long retainCachedSearchesMins,
        @DefaultValue({"13", "503", "2003", "-1"}) List<Integer> searchPrefetchThresholds,
        @DefaultValue("ALPHANUMERIC") ClientIdStrategyEnum clientIdStrategy,
        IdStrategyEnum serverIdStrategy,
        @DefaultValue("true") boolean deleteEnabled,
        @DefaultValue("false") boolean allowCascadingDeletes,
        @DefaultValue("false") boolean allowMultipleDelete,
        @DefaultValue("true") boolean expungeEnabled,
        @DefaultValue("false") boolean deleteExpungeEnabled,
        @DefaultValue("true") boolean enforceReferentialIntegrityOnWrite,
        @DefaultValue("true") boolean enforceReferentialIntegrityOnDelete,
        @DefaultValue("false") boolean autoCreatePlaceholderReferenceTargets,
        @DefaultValue("false") boolean allowExternalReferences,
        @DefaultValue("false") boolean userRequestRetryVersionConflictsInterceptorEnabled,
        @DefaultValue("false") boolean bulkExportEnabled,
        @DefaultValue("false") boolean bulkImportEnabled,
        @DefaultValue("2") int bulkExportFileRetentionPeriodHours,
        @DefaultValue("20") int bundleBatchPoolSize,
        @DefaultValue("100") int bundleBatchPoolMaxSize,
        @DefaultValue("false") boolean indexStorageOptimized,
        @DefaultValue("false") boolean massIngestionModeEnabled,
        @DefaultValue("false") boolean matchUrlCacheEnabled,
        StoreMetaSourceInformationEnum storeMetaSourceInformation,
        @DefaultValue("false") boolean suppressStringIndexingInTokens,
        @DefaultValue Validation validation,
        @DefaultValue Subscription subscription) {

    /** Validation of what clients write; {@code $validate} exists in any case. */
    public record Validation(@DefaultValue("false") boolean requestsEnabled) {
    }

    /** Subscriptions by REST hook, the only channel that this server offers. */
    public record Subscription(
            @DefaultValue("false") boolean resthookEnabled,
            @DefaultValue("5000") long pollingIntervalMs,
            @DefaultValue("false") boolean immediatelyQueued) {
    }
}
